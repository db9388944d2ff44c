"""One pool's mail: what it goes through, what SES would allow, and the switch from one to the other."""

from __future__ import annotations

import shlex
from typing import Any, cast

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from backups import access, actions, forms
from backups.core.lifecycle import ACTIVE
from backups.core.mail import SES, identity_of
from backups.engine.ports import PortError
from backups.models import Job, Operator, Pool

FIELDS = ("identity", "sender", "reason", "typed")
TO_SES, TO_COGNITO = "ses", "cognito"


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def pool_mail(request: HttpRequest, region: str, pool_id: str) -> HttpResponse:
    """GET: the page; ``back`` names a switch to fill the form in for its way back. POST: switch."""
    pool = get_object_or_404(Pool, region=region, pool_id=pool_id)
    if request.method == "POST":
        forms.need(request, access.Action.RESTORE)
        return _switch(request, pool)
    forms.need(request, access.Action.SEE)
    back = forms.given(request.GET, "back")
    return _page(request, pool, *_way_back(pool, back))


def _switch(request: HttpRequest, pool: Pool) -> HttpResponse:
    """Start the switch, or say why not with the form as it was filled in."""
    given = {name: forms.given(request.POST, name) for name in FIELDS}
    to = forms.given(request.POST, "to")
    if to not in (TO_SES, TO_COGNITO) or (to == TO_SES and not given["identity"]):
        wrong = "Choose what the mails shall come from. Nothing was changed."
        return _page(request, pool, given, to, wrong, 400)
    through = given if to == TO_SES else given | {"identity": "", "sender": ""}
    try:
        job = actions.switch_mail(actions.actor_of(request), pool, **through)
    except actions.Refused as refused:
        return _page(request, pool, given, to, str(refused), refused.status)
    return HttpResponseRedirect(reverse("job", args=[job.pk]))


def _page(
    request: HttpRequest,
    pool: Pool,
    given: dict[str, str],
    to: str = "",
    refused: str = "",
    status: int = 200,
) -> HttpResponse:
    switches = Job.objects.filter(kind=Job.Kind.MAIL, region=pool.region, pool_id=pool.pool_id)
    context: dict[str, Any] = {
        "pool": pool,
        "may": access.can(cast(Operator, request.user), access.Action.RESTORE),
        "not_alone": actions.switching_refused(),
        "given": given,
        "to": to,
        "refused": refused,
        "through": _in_terminal(given, to),
        "running": switches.filter(state__in=ACTIVE).first(),
        "latest": switches.exclude(state__in=ACTIVE).first(),
    }
    try:
        mail = actions.mail_of(pool)
    except PortError as error:
        return render(request, "pools/mail.html", context | {"why": str(error)}, status=status)
    cognito, ses = actions.mail_days(pool, mail)
    context |= {
        "mail": mail,
        "cognito": cognito,
        "ses": ses,
        "to_ses_type": actions.mail_confirmation(pool, to_ses=True),
        "to_cognito_type": actions.mail_confirmation(pool, to_ses=False),
    }
    return render(request, "pools/mail.html", context, status=status)


def _in_terminal(given: dict[str, str], to: str) -> str:
    """The same switch as words of ``manage.py switch_mail``; what is not known yet in capitals."""
    if to == TO_COGNITO:
        return f"--to {TO_COGNITO}"
    identity, sender = given.get("identity") or "IDENTITY", given.get("sender") or "ADDRESS"
    return shlex.join(["--to", identity, "--sender", sender])


def _way_back(pool: Pool, job: str) -> tuple[dict[str, str], str]:
    """(what the form holds, which form) to undo that switch; ({}, "") for anything else."""
    if not (job.isascii() and job.isdigit() and len(job) < 19):
        return {}, ""
    switch = Job.objects.filter(pk=int(job), kind=Job.Kind.MAIL, pool_id=pool.pool_id).first()
    if switch is None:
        return {}, ""
    before: dict[str, Any] = switch.params["before"]
    if before.get("EmailSendingAccount") != SES:
        return {}, TO_COGNITO
    return {
        "identity": identity_of(str(before.get("SourceArn", ""))),
        "sender": str(before.get("From", "")),
    }, TO_SES

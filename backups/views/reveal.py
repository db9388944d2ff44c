"""E-mails in clear: for one backup, job or pool, for 15 minutes, with an entry that names it and says why."""

from __future__ import annotations

from django.contrib import messages
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST

from backups import actions
from backups.access import Action
from backups.forms import given, need
from backups.models import Backup, Job
from backups.templatetags.context import REVEAL_SECONDS, REVEALED


@require_POST
def reveal(request: HttpRequest) -> HttpResponse:
    need(request, Action.REVEAL)
    subject = _subject(given(request.POST, "what"))
    try:
        with transaction.atomic():
            reason = given(request.POST, "reason")
            actions.reveal(actions.actor_of(request), subject, reason, REVEAL_SECONDS)
            now = int(timezone.now().timestamp())
            others = {what: until for what, until in request.session.get(REVEALED, {}).items() if until > now}
            request.session[REVEALED] = {**others, subject: now + REVEAL_SECONDS}
    except actions.Refused as refused:
        messages.error(request, f"No e-mail was revealed. {refused}")
    target = request.POST.get("next", "")
    if not url_has_allowed_host_and_scheme(target, allowed_hosts={request.get_host()}, require_https=False):
        return redirect("backups")
    return redirect(target)


def _subject(asked: str) -> str:
    """The key of a backup, "job 12" or "pool <name>", as it is called here: the entry names what there is."""
    word, _, number = asked.partition(" ")
    if word == "job" and number.isascii() and number.isdigit() and len(number) < 19:
        return f"job {get_object_or_404(Job, pk=int(number)).pk}"
    if "\0" in asked:
        raise Http404
    if word == "pool" and Backup.objects.filter(pool_name=number).exists():
        return asked
    return get_object_or_404(Backup, key=asked).key

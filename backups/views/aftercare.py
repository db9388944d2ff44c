"""What is left to do after a restore: a list that people tick."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from backups import access, actions, forms
from backups.core.plan import Messages
from backups.models import Job
from backups.runner import report

_ANEW = (
    "We had to make your account anew. It is there, with your data; your old password no longer works. {}"
    " If you used a second factor, set it up again afterwards."
)
FOR_USERS = {
    Messages.SILENT: _ANEW.format(
        "Choose “Forgot password” on the sign-in page, enter your e-mail, and set a new one with the code "
        "that you are sent."
    ),
    Messages.INVITE: _ANEW.format(
        "You are sent a mail with a temporary password: sign in with it within the time that it names, and "
        "set a new one."
    ),
    Messages.LATER: _ANEW.format(
        "You will be sent a mail with a temporary password; until then you cannot sign in."
    ),
}
"""A text for users, by how they get in again."""


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def aftercare(request: HttpRequest, job: int) -> HttpResponse:
    """GET: the list. POST: tick (``done``) or untick (``open``) the items named by ``item``."""
    found = get_object_or_404(Job, pk=job, kind=Job.Kind.RESTORE)
    if request.method == "POST":
        forms.need(request, access.Action.RESTORE)
        return _ticked(request, found)
    forms.need(request, access.Action.SEE)
    items = actions.aftercare_of(found)
    way = str(found.params.get("messages", ""))
    came = _how_far(found)
    context = {
        **came,
        "job": found,
        "items": items,
        "open": [item for item in items if item.ticked_at is None],
        "may_tick": access.can(request.user, access.Action.RESTORE).allowed,  # type: ignore[arg-type]
        "for_users": FOR_USERS.get(Messages(way)) if way in set(Messages) and came["made"] else "",
    }
    return render(request, "aftercare/page.html", context)


def _how_far(job: Job) -> dict[str, Any]:
    """Users who are finished, of how many, who stands unfinished, and whom it created and who is there."""
    return {
        "written": job.items.filter(outcome__in=("created", "updated")).count(),
        "planned": job.items.filter(action__in=("create", "update")).count(),
        "half_made": report.half_made(job).count(),
        "made": report.mapped(job).filter(outcome="created").exists(),
        "undone": report.undos(job).exists(),
    }


def _ticked(request: HttpRequest, job: Job) -> HttpResponse:
    named = request.POST.getlist("item")
    positions = [int(one) for one in named if one.isascii() and one.isdigit() and len(one) < 6]
    verb = actions.untick if "open" in request.POST else actions.tick
    try:
        verb(actions.actor_of(request), job, positions, forms.given(request.POST, "note"))
    except actions.Refused as refused:
        messages.error(request, str(refused))
    return HttpResponseRedirect(reverse("aftercare", args=[job.pk]))

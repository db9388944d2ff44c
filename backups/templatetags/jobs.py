"""What the pages say about a job: its title, how far it is, what came of whom, and what can be done now."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django import template
from django.db.models import Count
from django.utils import timezone

from backups import access, actions
from backups.core import plan
from backups.core.lastgood import Rule
from backups.core.lifecycle import State
from backups.core.mail import SES
from backups.core.progress import OUTCOMES, Segment, fold, segments, span, time_left
from backups.models import AuditEntry, Event, Item, Job, Operator, Plan
from backups.models.audit import Act
from backups.runner import report as reports
from backups.runner.restore import RETRIED, unfinished
from backups.templatetags.words import number, plural

register = template.Library()

LOG_EVENTS = 300
"""Rows of the log on one page, each with what a quarter of a second told; earlier ones are a link away."""
LOGGED = ("line", "phase", "state")
CAUSES = 20
PEOPLE_AT_A_TIME = (Job.Kind.RESTORE, Job.Kind.UNDO, Job.Kind.INVITE)
"""Kinds that begin and finish one user after the other."""
SAMPLES = 150  # counts come at most four times a second: more than the window of a rate

ACTS: dict[str, str] = {
    Act.SIGNED_IN: "signed in",
    Act.SIGN_IN_REFUSED: "was refused at sign-in",
    Act.SIGNED_OUT: "signed out",
    Act.SESSION_ENDED: "was signed out by the dashboard",
    Act.BACKUP_ASKED: "asked for a backup",
    Act.BACKUP_ENDED: "backup ended",
    Act.BACKUP_UPLOADED: "uploaded a backup file",
    Act.BACKUP_DOWNLOADED: "downloaded a backup",
    Act.BACKUP_CHECKED: "checked a backup",
    Act.KEEP_ASKED: "asked to keep a backup",
    Act.BACKUP_KEPT: "keeping a backup ended",
    Act.FALL_ACCEPTED: "accepted a backup with fewer users",
    Act.POLICY_SET: "set how a pool is backed up",
    Act.ALARM_TESTED: "sent a test of the alarms",
    Act.COMPARE_ASKED: "asked for a comparison",
    Act.COMPARE_ENDED: "comparison ended",
    Act.COMPARISON_DOWNLOADED: "downloaded a comparison",
    Act.FIND_ASKED: "asked for the last good backup",
    Act.FIND_ENDED: "search for the last good backup ended",
    Act.HISTORY_READ: "read the history of a user",
    Act.PLAN_ASKED: "asked for a plan or a reading",
    Act.PLAN_ENDED: "plan or reading ended",
    Act.PLAN_DOWNLOADED: "downloaded a restore plan",
    Act.RESTORE_ASKED: "asked for a restore",
    Act.RESTORE_INTENDED: "restore is about to write",
    Act.RESTORE_ENDED: "restore ended",
    Act.UNDO_ASKED: "asked for an undo",
    Act.UNDO_INTENDED: "is about to undo",
    Act.UNDO_ENDED: "undo of a restore ended",
    Act.INVITE_ASKED: "asked for invitations",
    Act.INVITE_ENDED: "invitations ended",
    Act.MAIL_ASKED: "asked to switch a pool's mail",
    Act.MAIL_INTENDED: "is about to switch a pool's mail",
    Act.MAIL_ENDED: "switch of a pool's mail ended",
    Act.SCHEMA_ASKED: "asked for attributes in a pool's schema",
    Act.SCHEMA_INTENDED: "is about to add to a pool's schema",
    Act.SCHEMA_ENDED: "addition to a pool's schema ended",
    Act.AFTERCARE_TICKED: "ticked aftercare",
    Act.REPORT_DOWNLOADED: "downloaded a report",
    Act.JOB_PAUSED: "asked to pause a job",
    Act.JOB_CANCELLED: "asked to cancel a job",
    Act.JOB_RESUMED: "resumed a job",
    Act.IDENTITY_MAP_DOWNLOADED: "downloaded an identity map",
    Act.REVEALED: "revealed e-mails",
    Act.CATALOGUE_REBUILT: "rebuilt the catalogue",
}


@register.filter
def may(who: Operator, action: str) -> bool:
    """Whether somebody may do this access.Action: what would be refused is not offered."""
    return access.can(who, access.Action(action)).allowed


@register.filter
def act(code: str) -> str:
    """An audited act in words; one that is not known here shows its name."""
    return ACTS.get(code, code)


@register.filter
def done(entry: AuditEntry) -> str:
    """What an entry says was done, in words; of a plan, what it was to be of."""
    if entry.act != Act.PLAN_ASKED:
        return act(entry.act)
    details = entry.details
    if "undo" in details:
        return "asked for the plan of an undo"
    return "asked for a restore plan" if "source" in details else "asked who is in again"


@register.filter
def told(event: Event) -> list[tuple[str, str]]:
    """The log lines of one row, (kind, text), the newest first as the log has them."""
    data: dict[str, Any] = event.data
    if event.kind == "state":
        return [(str(data.get("state", "")).replace("_", " "), str(data.get("text", "")))]
    if event.kind == "phase":
        total = data.get("total")
        return [("phase", f"{data.get('phase', '')}{'' if total is None else f' · {number(total)}'}")]
    lines = [_line(line) for line in data.get("lines", [data])]
    if data.get("more"):
        lines.append(("note", f"and {plural(data['more'], 'line')} more in the same moment, counted above"))
    return lines[::-1]


def _line(line: dict[str, Any]) -> tuple[str, str]:
    kind, text = str(line.get("kind", "")), str(line.get("text", ""))
    if kind != "check":
        return kind, text
    only = f" ({', '.join(line['ways'])} only)" if line.get("ways") else ""
    return f"check: {line.get('state', '')}", f"{text}{only} {line.get('remedy', '')}".strip()


@register.filter
def reason(item: Item) -> str:
    """Why a line of a plan or an outcome is what it is."""
    return plan.sentence(item.reason, item.detail) if item.reason else ""


@register.filter
def in_words(job: Job) -> str:
    """The title of a job: what it does, to how many, where; in the past when it is over."""
    place = job.pool_name or job.pool_id
    if job.kind == Job.Kind.BACKUP:
        if job.state == State.DONE:
            return f"Backed up {plural(job.result.get('users'), 'user')} of {place}"
        return f"Backing up {place}" if not job.over else f"Backup of {place}"
    if job.kind == Job.Kind.COMPARE:
        if job.pool_id:
            return f"Comparison with the live pool {place}"
        return f"Comparison of two backups of {place}" if place else "Comparison of two backups"
    if job.kind == Job.Kind.FIND:
        wanted = Rule.read(job.params["rule"]).words()
        return f"{'Last' if job.over else 'Looking for the last'} good backup of {place}: {wanted}"
    if job.kind == Job.Kind.PLAN and "undo" in job.params:
        what = f"of restore {job.params['undo']} in {place}"
        return f"Undo plan {what}" if job.over else f"Planning an undo {what}"
    if job.kind == Job.Kind.PLAN and "people" in job.params:
        after = f" after restore {job.params['people']}" if job.params["people"] else ""
        return f"Who is in again{after} in {place}" if after else f"Who waits for an invitation in {place}"
    if job.kind == Job.Kind.PLAN:
        return f"Planning a restore into {place}" if not job.over else f"Restore plan for {place}"
    if job.kind == Job.Kind.KEEP:
        of = f"a backup of {place}" if place else "an uploaded backup"
        return f"Kept {of}" if job.state == State.DONE else f"Keeping {of} out of expiry"
    if job.kind == Job.Kind.UNDO:
        what = f"restore {job.params['undo']} in {place}"
        done = job.state in (State.DONE, State.DONE_WITH_FAILURES)
        some = job.result.get("deleted") or job.result.get("updated")
        return f"Undid {what}" if done and some else f"Undo of {what}" if job.over else f"Undoing {what}"
    if job.kind == Job.Kind.INVITE:
        invited = plural(job.counters.get("messages", 0), "person,people")
        return f"Invited {invited} in {place}" if job.over else f"Inviting people in {place}"
    if job.kind == Job.Kind.MAIL:
        return _switching(job, place)
    if job.kind == Job.Kind.SCHEMA:
        return _adding(job, place)
    trial = ", as a trial" if "only" in job.params else ""
    if job.state in (State.DONE, State.DONE_WITH_FAILURES):
        half = job.result.get(reports.HALF_MADE)
        return f"{_restored(job, place)}{trial}{f', {number(half)} more not finished' if half else ''}"
    many = planned(job)
    users = plural(many, "user") if many is not None else "users"
    return f"{'Restore of' if job.over else 'Restoring'} {users} to {place}{trial}"


def _restored(job: Job, place: str) -> str:
    told = job.result if "created" in job.result else job.counters
    created, updated = told.get("created"), told.get("updated")
    if not updated:
        return f"Restored {plural(created, 'user')} to {place}"
    if not created:
        return f"Updated {plural(updated, 'user')} in {place}"
    return f"Restored {plural(created, 'user')} to {place} and updated {number(updated)}"


def _switching(job: Job, place: str) -> str:
    to = "SES" if job.params["wanted"]["EmailSendingAccount"] == SES else "Cognito"
    what = f"the mail of {place} to {to}"
    if job.state in (State.DONE, State.DONE_WITH_FAILURES):
        return f"Switched {what}"
    return f"Switch of {what}" if job.over else f"Switching {what}"


def _adding(job: Job, place: str) -> str:
    where = f"to the schema of {place}"
    if job.state in (State.DONE, State.DONE_WITH_FAILURES):
        return f"Added {plural(job.result['added'], 'attribute')} {where}"
    what = plural(len(job.params["attributes"]), "attribute")
    return f"Addition of {what} {where}" if job.over else f"Adding {what} {where}"


def planned(job: Job) -> int | None:
    """How many users a restore was started to create or update; None where no plan is kept."""
    if "only" in job.params:
        return len(job.params["only"])
    try:
        counts: dict[str, Any] = job.started_from.counts
    except Plan.DoesNotExist:
        return None
    return counts["create"] + counts.get("update", 0) if "create" in counts else None


@dataclass(frozen=True, slots=True)
class Phase:
    name: str
    said: str  # its total, and how long it took
    state: str  # past | now | stopped


@dataclass(frozen=True, slots=True)
class Cause:
    outcome: str
    reason: str  # the code, for the link
    sentence: str
    count: int
    again: int  # how many users, of every cause of this reason, another try takes up; 0: no try is offered


@register.simple_tag
def asked(job: Job) -> dict[str, Any]:
    """``by``: who asked for it; ``resumed``: entries of who resumed it, and stands behind it since."""
    resumed = reports.resumes(job)
    entry = reports.asked_first(job) if resumed else None
    return {"by": entry.actor if entry else job.asked_by_name, "resumed": resumed}


@register.inclusion_tag("jobs/_live.html")
def live(job: Job) -> dict[str, Any]:
    """How far the job is. The same part on first paint and at every change after it."""
    restoring = job.kind == Job.Kind.RESTORE
    seen = fold(job.counters, _samples(job) if restoring and job.state == State.RUNNING else ())
    parts = [(name, int(job.counters.get(name, 0))) for name in OUTCOMES] if restoring else []
    todo = planned(job) if restoring else None
    # Who is skipped by the plan took no work: the bar is about the others, the numbers about all.
    idle = max(0, seen.total - todo) if todo else 0
    drawn = [(name, max(0, count - idle) if name == "skipped" else count) for name, count in parts]
    began, ended = job.started_at, job.finished_at or timezone.now()
    running = job.state == State.RUNNING
    return {
        "job": job,
        "finishes": job.kind in PEOPLE_AT_A_TIME,
        "segments": segments([*drawn, ("left", seen.left)]) if restoring and seen.total else [],
        "parts": parts,
        "left": seen.left,
        "facts": _facts(job),
        "elapsed": span((ended - began).total_seconds()) if began else "",
        "rate": f"{seen.rate:.1f}" if running and seen.rate else "",
        "at_most": job.counters.get("at_most"),
        "time_left": time_left(seen.seconds_left) if running and seen.left else "",
    }


@register.inclusion_tag("jobs/_detail.html", takes_context=True)
def detail(context: template.Context, job: Job) -> dict[str, Any]:
    """Phases, and for a restore the outcomes by cause, each with a way to try it again."""
    tries = may(context["request"].user, access.Action.CANCEL)
    causes = list(_causes(job, tries)) if job.kind == Job.Kind.RESTORE else []
    return {
        "job": job,
        "csrf_token": context.get("csrf_token"),
        "phases": list(_phases(job)),
        "causes": causes,
        "again": any(cause.again for cause in causes),
    }


@register.inclusion_tag("jobs/_bar.html")
def bar(cut: list[Segment]) -> dict[str, Any]:
    """One segmented bar. The numbers stand beside it in words, so it is hidden from screen readers."""
    return {"segments": cut}


@register.inclusion_tag("jobs/_acts.html", takes_context=True)
def acts(context: template.Context, job: Job) -> dict[str, Any]:
    """The buttons that the job has now for whoever looks, and what a cancel keeps."""
    who = context["request"].user
    stands_over = may(who, access.Action.CANCEL)
    may_resume = stands_over and actions.may_resume(job)
    of_users = may_resume and job.kind == Job.Kind.RESTORE
    everybody, others = (unfinished(job), unfinished(job, ())) if of_users else (0, 0)
    return {
        "job": job,
        "who": who,
        "csrf_token": context.get("csrf_token"),
        "may_pause": stands_over
        and job.kind in PEOPLE_AT_A_TIME
        and job.state in (State.QUEUED, State.RUNNING, State.WAITING)
        and not job.wants,
        "may_resume": may_resume,
        "unfinished": everybody,
        "failed": everybody - others if others or not job.over else 0,  # who can be gone on without
        "unmade": len(job.result.get("groups_not_made", ())),
        "may_cancel": stands_over and not job.over and job.wants != "cancel",
        "kept": _kept(job),
    }


@register.inclusion_tag("jobs/_log.html")
def log(job: Job, before: str = "", reload: bool = False) -> dict[str, Any]:
    """The log, newest line first: everything so far, a page of it at a time.

    ``reload``: its page is another one when the job is over.
    """
    lines = Event.objects.filter(job=job, kind__in=LOGGED).order_by("-id")
    earlier = before.isascii() and before.isdigit() and len(before) < 19
    if earlier:
        lines = lines.filter(id__lt=int(before))
    shown = list(lines[: LOG_EVENTS + 1])
    return {
        "job": job,
        "events": shown[:LOG_EVENTS],
        "older": shown[LOG_EVENTS - 1].pk if len(shown) > LOG_EVENTS else "",
        "earlier": earlier,
        "newest": shown[0].pk if shown else 0,  # what the page has; the stream goes on from there
        "follows": not job.over and not earlier,
        "reload": reload,
    }


def _samples(job: Job) -> list[tuple[float, int]]:
    """(seconds, users done) of the present run, oldest first."""
    rows = job.events.filter(kind__in=("count", "state")).order_by("-id")[:SAMPLES]
    samples: list[tuple[float, int]] = []
    for row in rows:
        if row.kind == "state":
            break
        if "total" in row.data:  # before that, both sides are being read
            samples.append((row.at.timestamp(), _worked(row.data)))
    # The newest sample is now: a job that stands still is seen to.
    return [*samples[::-1], (timezone.now().timestamp(), _worked(job.counters))] if samples else []


def _worked(counters: dict[str, Any]) -> int:
    """Users who took calls. Who is skipped has an outcome at once, which is no pace."""
    return sum(int(counters.get(name, 0)) for name in OUTCOMES if name != "skipped")


def _facts(job: Job) -> list[tuple[str, str]]:
    """Counters that are no part of the bar, in words."""
    words = {
        "users": "user{s} read",
        "groups": "group{s}",
        "memberships": "membership{s}",
        "factors_read": "second factor{s} read",
        "objects": "object{s} copied",
        "read_from": "read on the first side",
        "read_to": "read on the second side",
        "backup": "read from the backup",
        "live": "read from the live pool",
        "backups_read": "backup{s} read",
        "backups_known": "known without reading",
        "confirmed": "read back and confirmed",
        "messages": "message{s} sent",
        "deleted": "deleted",
        "updated": "put back",
        "skipped": "left alone",
        "failed": "failed",
        "left": "left",
    }
    # While a restore reads both sides it counts them; once it knows its users, they are what counts.
    told = ("confirmed", "messages") if "total" in job.counters else tuple(words)
    if job.kind == Job.Kind.UNDO:
        told = ("deleted", "updated", "skipped", "failed", "left", "confirmed")
    elif job.kind == Job.Kind.INVITE:
        told = ("messages", "skipped", "failed", "left")
    counted = [(int(job.counters[name]), words[name]) for name in told if name in job.counters]
    return [(number(count), word.format(s="" if count == 1 else "s")) for count, word in counted]


def _phases(job: Job) -> Iterable[Phase]:
    told = list(job.events.filter(kind="phase").order_by("id"))
    ends: list[datetime | None] = [*(event.at for event in told[1:]), job.finished_at][: len(told)]
    for place, (event, end) in enumerate(zip(told, ends, strict=True)):
        said = [number(event.data["total"])] if event.data.get("total") is not None else []
        if end:
            said.append(span((end - event.at).total_seconds()))
        last = place == len(told) - 1
        state = "past"
        if last and not job.over:
            state = "now"
        elif last and job.state in (State.FAILED, State.CANCELLED):
            state = "stopped"
        yield Phase(str(event.data.get("phase", "")), " · ".join(said), state)


def _causes(job: Job, tries: bool) -> Iterable[Cause]:
    """Who was not created or updated and why, failures first; a try is offered once for each reason.

    And for none where somebody is not begun or not finished: whoever tries again goes on with them too,
    so that only the button that counts everybody says what will happen. ``tries``: whoever looks may try.
    """
    rows = (
        job.items.filter(outcome__in=("failed", "skipped"))
        .values_list("outcome", "reason", "detail")
        .annotate(count=Count("id"))
        .order_by("outcome", "-count")[:CAUSES]
    )
    tries = tries and actions.may_resume(job) and not unfinished(job, ())
    offered = set[str]()
    for outcome, code, detail, count in rows:
        sentence = plan.sentence(code, detail) if code else "no reason was given"
        again = 0
        if tries and outcome == "failed" and code in RETRIED and code not in offered:
            offered.add(code)
            again = unfinished(job, [code])
        yield Cause(outcome, code, sentence, count, again)


def _kept(job: Job) -> str:
    """What stays when the job is cancelled now."""
    if job.kind == Job.Kind.RESTORE:
        return (
            "Users created so far will stay in the pool, with their groups and in the identity map. Users "
            "already begun are finished, the others are not begun. Nothing is taken back."
        )
    if job.kind == Job.Kind.UNDO:
        return (
            "Who was deleted so far is gone for ever, and what was put back stays so. Users already begun "
            "are finished, the others stay as they are."
        )
    if job.kind == Job.Kind.INVITE:
        return "Who was invited so far has a mail. Nobody else is written to; they can be invited later."
    if job.kind == Job.Kind.BACKUP:
        return "The backup is not finished: it gets no manifest, and is never listed as whole."
    if job.kind == Job.Kind.KEEP:
        return "What was copied so far stays; keeping it again goes on from there. The original is as it was."
    if job.kind in (Job.Kind.MAIL, Job.Kind.SCHEMA):
        return (
            "It is cancelled before anything is written, or not at all: the writing takes a moment, and the "
            "job’s end says what was written."
        )
    return "Nothing was written, and nothing has to be taken back."

"""What a job changes in a pool's settings: as they were, as they shall be, and as they were read back."""

from __future__ import annotations

import json
from typing import Any

from django import template

from backups.core.lifecycle import State
from backups.core.mail import SES, identity_of
from backups.core.schema import Attribute
from backups.models import Job
from backups.runner.mail import KEPT
from backups.runner.schema import BEGUN

register = template.Library()

MAIL = {
    "EmailSendingAccount": "Goes through",
    "SourceArn": "Identity of SES",
    "From": "Sender",
    "ReplyToEmailAddress": "Answers go to",
    "ConfigurationSet": "Configuration set",
}


@register.inclusion_tag("jobs/_changed.html")
def changed(job: Job) -> dict[str, Any]:
    """What a job changes in a pool's settings: as they were, shall be, and are. Others change none."""
    kept = job.result.get(KEPT)
    return {
        "job": job,
        "settings": _mail_settings(job) if job.kind == Job.Kind.MAIL else [],
        "read_back": "after" in job.result,
        "attributes": _attributes(job) if job.kind == Job.Kind.SCHEMA else [],
        # Where all is well nobody needs them; where it is not, somebody may have to put one right by hand.
        "kept": json.dumps(kept, indent=2) if kept and job.over and job.state != State.DONE else "",
    }


def _mail_settings(job: Job) -> list[tuple[str, list[str]]]:
    """(name, [before, asked for, read back]) of each setting of a pool's mail that one of them has."""
    sides = [job.params["before"], job.params["wanted"], job.result.get("after", {})]
    rows = [(words, [_value(name, side) for side in sides]) for name, words in MAIL.items()]
    return [(words, values) for words, values in rows if any(values)]


def _value(name: str, side: dict[str, Any]) -> str:
    value = str(side.get(name) or "")
    if name == "EmailSendingAccount":
        return "" if not side else "SES" if value == SES else "Cognito"
    return identity_of(value) if name == "SourceArn" else value


def _attributes(job: Job) -> list[tuple[Attribute, str]]:
    """(attribute, what became of it)."""
    names: dict[str, list[str]] = job.result.get("names", {})
    nothing = "not yet" if not job.over else "not known" if BEGUN in job.result else "not added"
    became = {} if job.result.get("unread") else dict.fromkeys(names.get("lacking", ()), "not added")
    became |= dict.fromkeys(names.get("before", ()), "there already")
    became |= dict.fromkeys(names.get("added", ()), "added")
    became |= {name: f"{became[name]}, but otherwise" for name in names.get("differs", ()) if name in became}
    return [(one, became.get(one.name, nothing)) for one in map(Attribute.of_json, job.params["attributes"])]

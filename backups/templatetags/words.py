"""How values are said on a page: numbers, times, sizes, states, and e-mails that are not for everybody."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from django import template
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from backups.core.discreet import discreet
from backups.core.lifecycle import WORDS, State

register = template.Library()

# word -> (tone, sign, how it is said). No status is told by its colour alone.
LOOKS: dict[str, tuple[str, str, str]] = {
    "complete": ("good", "✓", "complete"),
    "users-only": ("idle", "◐", "users only"),
    "incomplete": ("bad", "■", "incomplete"),
    "unreadable": ("bad", "■", "unreadable"),
    "checked": ("good", "✓", "checked"),
    "not-checked": ("idle", "○", "not checked"),
    "ours": ("good", "✓", "ours"),
    "unknown": ("warn", "▲", "unknown"),
    "changed": ("bad", "■", "changed after it was made"),
    "there": ("good", "✓", "there"),
    "gone": ("bad", "■", "gone"),
    State.QUEUED: ("idle", "○", WORDS[State.QUEUED]),
    State.RUNNING: ("busy", "●", WORDS[State.RUNNING]),
    State.PAUSED: ("warn", "▲", WORDS[State.PAUSED]),
    State.WAITING: ("warn", "▲", WORDS[State.WAITING]),
    State.DONE: ("good", "✓", WORDS[State.DONE]),
    State.DONE_WITH_FAILURES: ("warn", "▲", WORDS[State.DONE_WITH_FAILURES]),
    State.CANCELLED: ("idle", "○", WORDS[State.CANCELLED]),
    State.FAILED: ("bad", "■", WORDS[State.FAILED]),
    State.PLANNED: ("good", "✓", WORDS[State.PLANNED]),
    "created": ("good", "✓", "created"),
    "updated": ("good", "✓", "updated"),
    "skipped": ("idle", "○", "skipped"),
    "pass": ("good", "✓", "pass"),
    "warn": ("warn", "▲", "warn"),
    "stop": ("bad", "■", "stop"),
}


@register.filter
def number(value: int | float | str | None) -> str:
    """1234 -> "1,234"; a dash where there is no number (which is not the same as 0)."""
    return f"{value:,}" if isinstance(value, int | float) else "–"


@register.filter
def change(value: int | None) -> str:
    """12 -> "+12", with a minus sign for a fall; "" where there is nothing to compare with."""
    if value is None:
        return ""
    return f"{'+' if value > 0 else '−' if value < 0 else '±'}{abs(value):,}"


@register.filter
def plural(count: int | None, words: str) -> str:
    """``{{ 2014|plural:"user" }}`` -> "2,014 users"; the plural may be given: "entry,entries"."""
    one, _, many = words.partition(",")
    return f"{number(count)} {one if count == 1 else many or one + 's'}"


@register.filter
def size(count: int | None) -> str:
    """Bytes, in decimal units as S3's console counts them."""
    if count is None:
        return "–"
    amount, unit = float(count), "B"
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if amount < 1000 or unit == "TB":
            break
        amount /= 1000
    return f"{count:,} B" if unit == "B" else f"{amount:.1f} {unit}"


@register.filter
def moment(at: datetime | str | None) -> str:
    """ "2026-11-22 01:00 UTC"."""
    found = _aware(at)
    return found.strftime("%Y-%m-%d %H:%M UTC") if found else "–"


@register.filter
def day(at: datetime | str | None) -> str:
    """ "1 January 2027"."""
    found = _aware(at)
    return f"{found.day} {found:%B %Y}" if found else "–"


@register.filter
def clock(at: datetime | str | None) -> str:
    """ "14:02 UTC" of today, else with its date."""
    found = _aware(at)
    if found and found.date() == timezone.now().date():
        return found.strftime("%H:%M UTC")
    return moment(found)


@register.filter
def ago(at: datetime | str | None) -> str:
    """ "18 h ago", "in 3 min", "just now"; "" where there is no time."""
    found = _aware(at)
    if found is None:
        return ""
    seconds = (timezone.now() - found).total_seconds()
    text = _span(abs(seconds))
    return "just now" if not text else f"{text} ago" if seconds > 0 else f"in {text}"


@register.filter
def when(at: datetime | str | None) -> SafeString | str:
    """``<time>2026-11-22 01:00 UTC · 18 h ago</time>``; "never" where there is no time."""
    found = _aware(at)
    if found is None:
        return "never"
    return format_html(
        '<time datetime="{}">{} <span class="soft">· {}</span></time>',
        found.isoformat(timespec="seconds"),
        moment(found),
        ago(found),
    )


@register.filter
def masked(text: object, revealed: object = False) -> str:
    """``{{ user.email|masked:revealed }}``: every e-mail in the text is masked unless it was revealed."""
    said = str(text)
    return said if revealed else discreet(said)


@register.filter
def sentence(text: str) -> str:
    """ "the file is empty" -> "The file is empty."; "" stays ""."""
    said = text.strip()
    return said and said[:1].upper() + said[1:] + ("" if said[-1] in ".!?…" else ".")


@register.filter
def look(word: str) -> tuple[str, str, str]:
    """(tone, sign, word) of a state, an outcome, an origin or a pool's presence."""
    return LOOKS.get(word, ("idle", "○", word))


@register.filter
def short(pool_name: str) -> str:
    """A pool's name without the environment that its chip says: "biomage-…-" of "biomage-…-production"."""
    return re.sub(r"(production|staging|development)$", "", pool_name, flags=re.IGNORECASE)


def _span(seconds: float) -> str:
    """The largest unit that fits, rounded down; "" below a minute."""
    for least, length, unit in ((172_800, 86_400, "d"), (3_600, 3_600, "h"), (60, 60, "min")):
        if seconds >= least:  # up to two days, hours say more
            return f"{int(seconds // length):,} {unit}"
    return ""


def _aware(at: datetime | str | None) -> datetime | None:
    """UTC. Text is ISO 8601, as manifests and users have it; anything else is no time.

    Nor is one that UTC has no year for, as 0001-01-01T00:00:00+14:00: anybody can plant it.
    """
    try:
        if isinstance(at, str):
            at = datetime.fromisoformat(at)
        if at is None:
            return None
        return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None

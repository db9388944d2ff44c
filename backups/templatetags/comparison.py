"""A comparison in words and bars: the same on its page and in a terminal.

``result`` is that of a comparison's job, form 2. A is the "from" side, B the "to" side.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django import template

from backups.core.diff import SECURITY
from backups.core.progress import Segment, segments
from backups.runner.chosen import ALL, GROUPS, SETTINGS, USERS
from backups.templatetags.words import number, plural, sentence

register = template.Library()

Result = Mapping[str, Any]
SIDES = {"from": "A", "to": "B"}
WORDS = {
    ALL: "all",
    "only_from": "only in A",
    "changed": "changed",
    "only_to": "only in B",
    "anew": "new identity",
    "again": "registered again",
    "ambiguous": "ambiguous",
    "same": "the same",
    GROUPS: "groups",
    SETTINGS: "pool settings",
}
MEANS = {
    "anew": "The same person under another sub: made anew by a restore, or there before the other side was "
    "taken. Sub, Username, status and dates are new with every identity and count as no change.",
    "again": "The address was registered again after the other side was taken, or another tool made the "
    "user: it was no restore that this database knows. A restore leaves them alone, and they inherit "
    "nothing: whoever has the address need not be who had it.",
    "ambiguous": "The name fits more than one user, so nobody was matched. A restore's plan says for each of "
    "them what would be done; whose name is taken is skipped, never overwritten.",
}
"""What a kind means for a restore."""
_OTHERS = {"groups": "group", "memberships": "membership", "settings": "pool setting"}
_NOUNS = {"role": "group"} | dict.fromkeys(("triggers", "mfa", "clients", "providers", "sign-in"), "setting")


@dataclass(frozen=True, slots=True)
class Verdict:
    headline: str
    rest: tuple[str, ...]  # sentences
    tone: str  # good | bad | idle, the word is in the headline


@dataclass(frozen=True, slots=True)
class Bar:
    name: str
    parts: tuple[tuple[str, str, int], ...]  # (kind, in words, how many)
    segments: list[Segment]


def tabs(result: Result) -> dict[str, int]:
    """How many rows there would be of each kind, were all of them listed."""
    users, groups, settings = (result[name] or {} for name in ("users", "groups", "settings"))
    counts = {name: int(users.get(name, 0)) for name in USERS}
    counts["ambiguous"] = int(users.get("ambiguous_from", 0)) + int(users.get("ambiguous_to", 0))
    counts |= {GROUPS: _differ(groups), SETTINGS: _differ(settings)}
    return {ALL: sum(counts.values()), **counts}


def verdict(result: Result) -> Verdict:
    """What was found, the most important first."""
    users, counts = result["users"], tabs(result)
    whole = result["whole"]
    rest = [*_others(result), *_changing(result)]
    if whole:
        side, other = result[whole], result["to" if whole == "from" else "from"]
        many = plural(users[whole], "user")
        why = f"{_capital(_place(other))} is {'gone' if other['gone'] else 'empty'}"
        only = f"The whole {_noun(side)} is only in {SIDES[whole]}: {many}"
        return Verdict(f"{why}. {only}", tuple(rest), "bad")
    kinds = {name: counts[name] for name in USERS}
    if not any(kinds.values()):
        many = plural(users["same"], "user")
        same = f"Both sides hold the same {many}" if users["same"] else "Neither side holds a user"
        sure = not (_unlike(result) or unknown(result) or result["unread"] or _changing(result))
        return Verdict(same, tuple(rest), "good" if sure else "idle")
    said = [f"{number(count)} {WORDS[name]}" for name, count in kinds.items() if count]
    said.append(f"{number(users['same'])} the same")
    if kinds["only_from"] and result["to"]["live"] and not result["from"]["live"]:
        many = plural(kinds["only_from"], "user")
        missing = (
            f"{many} of the backup {'is' if kinds['only_from'] == 1 else 'are'} missing in the live pool"
        )
        return Verdict(missing, (f"Users: {', '.join(said)}.", *rest), "idle")
    return Verdict(f"Users: {', '.join(said)}", tuple(rest), "idle")


def security(result: Result) -> list[tuple[str, str]]:
    """(code, sentence) of what touches security, the most important first."""
    found: Mapping[str, int] = result["security"]
    order = [code for code in SECURITY if code in found]
    return [
        (code, SECURITY.get(code, f"{{n}}: {code}").format(n=plural(found[code], _NOUNS.get(code, "user"))))
        for code in [*order, *sorted(found.keys() - SECURITY.keys())]
    ]


def fields(result: Result) -> list[tuple[str, int]]:
    """(field, of how many users it changed), the most often changed first."""
    return sorted(result["fields"].items(), key=lambda field: (-field[1], field[0]))


def bars(result: Result) -> list[Bar]:
    """Users, groups, memberships, settings, where both sides know them; with the number of the same."""
    counts = tabs(result)
    users = [
        (name, counts[name]) for name in USERS if counts[name] or name in ("only_from", "changed", "only_to")
    ]
    made = [_bar("Users", [*users, ("same", int(result["users"]["same"]))])]
    for name, noun in _OTHERS.items():
        if (found := result[name]) is None:
            continue
        kinds = [
            (kind, int(found[kind])) for kind in ("only_from", "changed", "only_to", "same") if kind in found
        ]
        made.append(_bar(f"{_capital(noun)}s", kinds))
    return made


def unknown(result: Result) -> list[str]:
    """What at least one side does not know."""
    return [f"{noun}s" for name, noun in _OTHERS.items() if result[name] is None]


def unread(result: Result) -> list[str]:
    """Which settings were not compared and why, those of one reason together."""
    names: dict[tuple[str, str], list[str]] = {}
    for setting, side, why in result["unread"]:
        names.setdefault((side, why), []).append(setting)
    return [
        f"Not compared: {_and(settings)}. In {SIDES[side]}: {sentence(why)}"
        for (side, why), settings in names.items()
    ]


@register.filter
def in_a_word(code: str) -> str:
    """A kind, or a code of what touches security: "sign-in" stays, "only_from" is "only in A"."""
    return WORDS.get(code, code)


@register.filter
def lines(text: str) -> list[str]:
    """A row's ``names`` or ``security``: a value in each line."""
    return text.split("\n")[1:-1]


def _bar(name: str, parts: list[tuple[str, int]]) -> Bar:
    return Bar(name, tuple((kind, WORDS[kind], count) for kind, count in parts), segments(parts))


def _differ(counts: Mapping[str, int]) -> int:
    return sum(int(count) for name, count in counts.items() if name != "same")


def _unlike(result: Result) -> list[str]:
    """What differs besides users: "1 group", "2 pool settings"; not what goes with a pool or its users."""
    gone = result["from"]["gone"] or result["to"]["gone"]
    names = ["settings"] if gone else ["groups", "settings"] if result["whole"] else [*_OTHERS]
    counts = {_OTHERS[name]: _differ(result[name] or {}) for name in names}
    return [plural(count, noun) for noun, count in counts.items() if count]


def _others(result: Result) -> list[str]:
    """Groups, memberships and settings in sentences."""
    differ, not_known = _unlike(result), unknown(result)
    said = []
    if differ:
        said.append(f"{_and(differ)} {'differs' if [one[:2] for one in differ] == ['1 '] else 'differ'}.")
    if not_known and not result["whole"]:
        said.append(f"{_capital(_and(not_known))} were not compared: at least one side does not know them.")
    left_out = plural(len({name for name, _, _ in result["unread"]}), "pool setting")
    if not (differ or not_known or result["whole"]):
        if result["unread"]:
            said.append("Groups, memberships and the pool settings that were compared are the same.")
        else:
            said.append("Groups, memberships and pool settings are the same.")
    if result["unread"] and "pool settings" not in not_known:
        said.append(f"{left_out} could not be compared.")
    return said


def _changing(result: Result) -> list[str]:
    return [
        f"{plural(result[side]['changing'], 'user')} of {SIDES[side]} changed while it was read: "
        "read again for a picture of one moment."
        for side in SIDES
        if result[side]["changing"]
    ]


def _place(about: Mapping[str, Any]) -> str:
    return f"the {_noun(about)} {about['pool_name']}".rstrip()


def _noun(about: Mapping[str, Any]) -> str:
    return "live pool" if about["live"] else "backup"


def _and(words: list[str]) -> str:
    *most, last = words
    return f"{', '.join(most)} and {last}" if most else last


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]

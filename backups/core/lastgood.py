"""The last good backup: the newest one that keeps a rule and is followed by one that does not.

    rule (this user is there | at least N users | this group has this member)
    -> what is known of each backup, oldest first, without reading it: True | False | None
    -> search: bisect inside the newest stretch that begins good and ends bad
    -> Found -> a verdict and notes, in words

With nothing known, a search over n backups asks at most log2(n + 1) of them, rounded up: 9 of 365. That is
as few as any search can do, because there are n + 1 answers to tell apart. It finds one change. Changes
between backups that nobody asked about stay unseen, and ``notes`` says so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from itertools import groupby, pairwise
from typing import Any, Protocol

from backups.core.discreet import discreet
from backups.core.matching import Rules
from backups.core.snapshot import mask

MOST = 1_000_000_000
LONGEST_NAME, LONGEST_GROUP = 2048, 128
"""Characters of an attribute's value, and of a GroupName, at most (AttributeType, CreateGroup)."""
AHEAD = "it is dated in the future"
"""Why one is stepped over that is newer by its name only."""


class BadRule(ValueError):
    """What was asked is no rule; the message is a sentence for the reader."""


class Named(Protocol):
    """A user as a backup holds it, or as the index remembers it."""

    @property
    def sub(self) -> str: ...
    @property
    def username(self) -> str: ...
    @property
    def email(self) -> str: ...


class Kind(StrEnum):
    USER = "user"
    AT_LEAST = "at-least"
    MEMBER = "member"


@dataclass(frozen=True, slots=True)
class Rule:
    """What a good backup has."""

    kind: Kind
    name: str = ""  # e-mail, Username or sub of a user or a member
    group: str = ""
    users: int = 0  # at least so many

    @classmethod
    def of(cls, kind: str, *, name: str = "", group: str = "", users: str = "") -> Rule:
        """As somebody typed it. Raises BadRule."""
        name, group, users = name.strip(), group.strip(), users.strip()
        if kind == Kind.AT_LEAST:
            if not (users.isascii() and users.isdigit() and len(users) < 12 and 1 <= int(users) <= MOST):
                raise BadRule(f"The number of users is a whole number from 1 to {MOST:,}.")
            return cls(Kind.AT_LEAST, users=int(users))
        if kind not in (Kind.USER, Kind.MEMBER):
            raise BadRule("Choose what a good backup has: a user, a number of users, or a member of a group.")
        if kind == Kind.MEMBER and not group:
            raise BadRule("Name the group that the member is to be in.")
        if not name:
            raise BadRule("Name the user by e-mail, Username or sub.")
        if len(name) > LONGEST_NAME or len(group) > LONGEST_GROUP:
            raise BadRule(
                f"A user's name has at most {LONGEST_NAME:,} characters, and a group's {LONGEST_GROUP}."
            )
        return cls(Kind(kind), name=name, group=group if kind == Kind.MEMBER else "")

    @classmethod
    def read(cls, params: Mapping[str, Any]) -> Rule:
        """What ``params`` wrote."""
        return cls(Kind(params["kind"]), params["name"], params["group"], params["users"])

    @property
    def params(self) -> dict[str, Any]:
        """As a job keeps it: the name is in clear."""
        return {"kind": str(self.kind), "name": self.name, "group": self.group, "users": self.users}

    def who(self, *, revealed: bool = False) -> str:
        """What is looked for, with its verb: "ada is", "At least 1,900 users are". E-mails are masked."""
        if self.kind is Kind.AT_LEAST:
            return "At least 1 user is" if self.users == 1 else f"At least {self.users:,} users are"
        name, group = (self.name, self.group) if revealed else (mask(self.name), discreet(self.group))
        return f"{name} is in the group {group}" if self.kind is Kind.MEMBER else f"{name} is"

    def words(self, *, revealed: bool = False) -> str:
        """The rule as a sentence without its end: "ada is there"."""
        who = self.who(revealed=revealed)
        return who if self.kind is Kind.MEMBER else f"{who} there"

    def names(self, user: Named, rules: Rules) -> bool:
        """Whether this is the user: the sub to the letter, other names as the pool tells them apart."""
        asked = rules.fold(self.name)
        return self.name == user.sub or asked in (rules.fold(user.username), rules.fold(user.email))


# --- searching ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Found:
    """What is known at the end. Backups are named by their places, 0 is the oldest."""

    answers: tuple[bool | None, ...]  # None: neither known nor asked, or it does not tell
    asked: tuple[int, ...]  # in the order in which they were
    over: frozenset[int]  # stepped over: they cannot tell
    pair: tuple[int, int] | None  # the last good one, and the first bad one after it

    @property
    def answer(self) -> str:
        """found | everywhere | came (it holds in the newest and did not before) | nowhere | untold | none."""
        told = [answer for answer in self.answers if answer is not None]
        if self.pair:
            return "found"
        if not told:
            return "untold" if self.answers else "none"
        if not any(told):
            return "nowhere"
        return "everywhere" if all(told) else "came"

    @property
    def told(self) -> tuple[int, ...]:
        """Whose answer is known."""
        return tuple(place for place, answer in enumerate(self.answers) if answer is not None)

    @property
    def flips(self) -> tuple[tuple[int, int], ...]:
        """Neighbours among those whose answers are known and differ, oldest first."""
        return tuple((a, b) for a, b in pairwise(self.told) if self.answers[a] != self.answers[b])

    @property
    def unasked(self) -> int:
        """Backups of which nothing is known, though they could tell."""
        return len(self.answers) - len(self.told) - len(self.over)

    def silent(self, after: int, before: int) -> int:
        """How many of ``unasked`` lie between two places."""
        return sum(
            self.answers[place] is None and place not in self.over for place in range(after + 1, before)
        )

    def runs(self) -> Iterator[tuple[str, int, int]]:
        """Neighbours of one kind together, oldest first: (kind, first place, last place).

        kind: good-read | bad-read | good-known | bad-known | silent | over
        """
        asked = frozenset(self.asked)

        def kind(place: int) -> str:
            answer = self.answers[place]
            if answer is None:
                return "over" if place in self.over else "silent"
            return f"{'good' if answer else 'bad'}-{'read' if place in asked else 'known'}"

        for name, places in groupby(range(len(self.answers)), kind):
            listed = list(places)
            yield name, listed[0], listed[-1]


def search(known: Sequence[bool | None], over: Sequence[int], ask: Callable[[int], bool | None]) -> Found:
    """Find the newest change from good to bad.

    ``known``: what is known of each backup, oldest first; ``over``: places that cannot tell. ``ask`` reads
    one, and gives None where that cannot tell either: then one beside it is asked.

    Before the oldest all is held to be good and after the newest all bad, so that a change may lie at either
    end; a stretch that turns out to have it there has none, and the next older one is looked into.
    """
    end = len(known)
    answers: dict[int, bool] = {place: answer for place, answer in enumerate(known) if answer is not None}
    asked: list[int] = []
    stepped = set(over) - answers.keys()

    def bisect(good: int, bad: int) -> tuple[int, int]:
        places = [place for place in range(good + 1, bad) if place not in stepped]
        while places:
            middle = len(places) // 2
            place = places[middle]
            answer = ask(place)
            if answer is None:
                stepped.add(place)
                del places[middle]
                continue
            answers[place] = answer
            asked.append(place)
            if answer:
                good, places = place, places[middle + 1 :]
            else:
                bad, places = place, places[:middle]
        return good, bad

    points = [(-1, True), *answers.items(), (end, False)]
    pair: tuple[int, int] | None = None
    for (begin, good), (then, still) in list(pairwise(points))[::-1]:
        if good and not still:
            low, high = bisect(begin, then)
            if low >= 0 and high < end:
                pair = low, high
                break
    every = tuple(answers.get(place) for place in range(end))
    return Found(every, tuple(asked), frozenset(stepped), pair)


# --- saying -------------------------------------------------------------------------------------------


def about(
    found: Found, when: Sequence[datetime], pool_name: str, why: Mapping[int, str], *, shown: int = 60
) -> dict[str, Any]:
    """What a job keeps of it, JSON values only.

    ``when``: the time of each backup; ``why``: the place of one stepped over -> why.
    Of runs, changes and what was stepped over, the newest ``shown``.
    """
    at = [moment.isoformat() for moment in when]
    told, flips = found.told, found.flips
    after = range(told[-1] + 1, len(at)) if told else range(0)
    runs = list(found.runs())
    result: dict[str, Any] = {
        "form": 1,
        "answer": found.answer,
        "pool_name": pool_name,
        "backups": len(at),
        "read": len(found.asked),
        "known": len(told) - len(found.asked),
        "silent": found.unasked,
        "over": len(found.over),
        "flips": len(flips),
        "oldest": at[told[0]] if told else "",
        "newest": at[told[-1]] if told else "",
        "newer": sum(why.get(place) != AHEAD for place in after),
        "good_again": "",
        "between": 0,
        "changes": [
            {"from": at[a], "to": at[b], "good": found.answers[b], "silent": found.silent(a, b)}
            for a, b in flips[: -shown - 1 : -1]
        ],
        "stepped_over": [[at[place], why.get(place, "")] for place in sorted(found.over)[: -shown - 1 : -1]],
        "runs": [
            {"kind": kind, "from": at[first], "to": at[last], "count": last - first + 1}
            for kind, first, last in runs[: -shown - 1 : -1]
        ],
        "earlier_runs": max(0, len(runs) - shown),
        "earlier": sum(last - first + 1 for _, first, last in runs[:-shown]),
    }
    if found.pair:
        good, bad = found.pair
        later = [place for place in told if place > bad and found.answers[place]]
        result["between"] = bad - good - 1
        result["good_again"] = at[later[0]] if later else ""
    return result


def verdict(rule: Rule, result: Mapping[str, Any], *, revealed: bool = False) -> str:
    """One sentence; ``result`` is that of ``about``, with "good" and "bad" where it is found."""
    who = rule.who(revealed=revealed)
    oldest, newest = said(result["oldest"]), said(result["newest"])
    newer = result.get("newer", 0)
    which, end = (" that can tell", f"; {newer:,} newer cannot tell.") if newer else ("", ".")
    match result["answer"]:
        case "found":
            good, bad = said(result["good"]["at"]), said(result["bad"]["at"])
            return f"{who} in the backup of {good} and no longer in that of {bad}."
        case "everywhere":
            every = f"{who} in every backup that was looked at"
            return f"{every}: still good in the newest{which}, of {newest}{end}"
        case "came":
            change = result["changes"][0]
            before, first = said(change["from"]), said(change["to"])
            since = f"since that of {first}; not yet in that of {before}{end}"
            return f"{who} in the newest backup{which}, of {newest}, {since}"
        case "nowhere":
            return f"{who} in none of the backups that were looked at, not even in the oldest, of {oldest}."
        case "untold":
            return f"None of the backups of {result['pool_name']} can tell."
    return f"There is no backup of {result['pool_name']}."


def notes(result: Mapping[str, Any]) -> list[str]:
    """What else has to be known to trust the verdict, a sentence each."""
    told = []
    if result["backups"]:
        told.append(
            f"Of {_backups(result['backups'])} {_were(result['read'])} read, and of {result['known']:,} "
            "the answer was known without reading."
        )
    if result["flips"] > 1:
        told.append(
            f"The answer changes {result['flips']:,} times between backups; the newest fall is shown."
        )
    if result.get("subs", 0) > 1:
        told.append(
            f"It was not always the same user: {result['subs']:,} subs bore this name. Somebody may have "
            "registered it again; look for a sub to follow one person."
        )
    if pools := two_pools(result):
        told.append(
            f"The two are of pools made one after the other under this name: {' and then '.join(pools)}."
        )
    if result["good_again"]:
        told.append(f"It is good again in the backup of {said(result['good_again'])}.")
    if result["between"]:
        told.append(f"Between these two {_lie(result['between'])} that cannot tell.")
    if result["silent"]:
        told.append(
            f"{_backups(result['silent'])} {_were(result['silent'], number=False)} neither read nor known: "
            "a change between two that were not read would not be seen."
        )
    if result["over"]:
        told.append(f"{_backups(result['over'])} {_were(result['over'], number=False)} stepped over.")
    return told


def two_pools(result: Mapping[str, Any]) -> tuple[str, str] | None:
    """Ids of the pools that the pair is of, where they differ."""
    good, bad = (result.get(side, {}).get("pool_id", "") for side in ("good", "bad"))
    return (good, bad) if good and bad and good != bad else None


def which_pool(name: str, pool_ids: Sequence[str]) -> str:
    """Why nothing is looked for in the backups of all pools of that name."""
    *others, last = pool_ids
    return (
        f"{len(pool_ids)} pools bear the name {name} at the same time: {', '.join(others)} and {last}. "
        "The backups of one say nothing of another: name the pool by its id."
    )


def said(at: str) -> str:
    """ "2026-11-22 01:00 UTC"; "" for nothing."""
    return datetime.fromisoformat(at).strftime("%Y-%m-%d %H:%M UTC") if at else ""


def _backups(count: int) -> str:
    return "1 backup" if count == 1 else f"{count:,} backups"


def _were(count: int, *, number: bool = True) -> str:
    verb = "was" if count == 1 else "were"
    return f"{count:,} {verb}" if number else verb


def _lie(count: int) -> str:
    return "lies 1 backup" if count == 1 else f"lie {count:,} backups"

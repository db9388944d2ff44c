"""Every user of a backup in turn: who is who, and what is done."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from itertools import islice, pairwise
from types import MappingProxyType

import orjson

from backups.core.choices import EVERYTHING_MISSING, Choices, Existing, Guard, Memberships, Scope
from backups.core.matching import Index, Known, Rules
from backups.core.places import Places
from backups.core.plan.finish import Left, finished
from backups.core.plan.line import Line, Terms
from backups.core.plan.names import held_once
from backups.core.plan.single import creation, update
from backups.core.plan.words import Action
from backups.core.seen import fingerprint
from backups.core.snapshot import PoolFacts, User

_ASKED = 1_000  # subs that the ledger is asked about at once
_PART = 200_000  # hashes that are sorted at once

Restored = Callable[[Collection[str]], Mapping[str, Collection[str]]]


def lines(
    users: Callable[[], Iterable[User]],
    live: Index,
    facts: PoolFacts,
    *,
    choices: Choices = EVERYTHING_MISSING,
    scope: Scope | None = None,
    taken_at: str = "",
    memberships: Memberships | None = None,
    members: Memberships = MappingProxyType({}),
    privileged: frozenset[str] = frozenset(),
    factors: Mapping[str, str] = MappingProxyType({}),
    admins: Iterable[str] = (),
    restored: Restored = lambda subs: {},
    unfinished: Mapping[str, int] = MappingProxyType({}),
    left: Mapping[str, Left] = MappingProxyType({}),
) -> Iterator[Line]:
    """One line for each user of the backup who is in scope; ``users`` is walked twice, or three times.

    In the backup's order, but administrators come first: ``Line.first`` says so, ``position`` stays the
    file's. Scope chooses among the lines and changes none of them; administrators who are out of it have a
    line all the same, which only names them.

    Nobody in the pool is taken for two people of the backup: whose sub it is comes first, then whom a
    restore of ours made of whom, then the first who has the name; the others are duplicates.
    Who came after the backup under another sub registered again or was made again by somebody else, unless
    a restore of ours made them, or they come from a provider, who says that it is the same person.

    ``restored``: those of these subs that restores of ours made -> every key the same person had before.
    ``unfinished``: a sub of the pool or a key of the backup -> the job that began this user and goes on.
    ``left``: likewise, where that job is over and left this user unfinished: whoever is known by the sub is
    finished, unless somebody changed the user after that job. By the key alone nobody knows whether a job
    made whoever has the name now: such a line names nobody. The others are as in Terms.
    """
    terms = Terms(
        facts,
        choices=choices,
        taken_at=taken_at,
        memberships=memberships,
        members=members,
        privileged=privileged,
        factors=factors,
        admins=frozenset(map(facts.fold, admins)),
    )
    scope = scope or Scope(choices, facts.fold, memberships)
    return _Planner(users, live, terms, scope, restored, unfinished, left).lines()


class _Planner:
    """Keeps of a million users some 70 MB: of texts their hashes, and whole ones only of who comes twice.

    Two texts of one hash are no harm: it says no more than whose texts are worth keeping. Of people of the
    pool there is a number each, and a flag for whatever is known of them.
    """

    def __init__(
        self,
        users: Callable[[], Iterable[User]],
        live: Index,
        terms: Terms,
        scope: Scope,
        restored: Restored,
        unfinished: Mapping[str, int],
        left: Mapping[str, Left],
    ) -> None:
        self.users, self.live, self.terms, self.scope = users, live, terms, scope
        self.restored, self.unfinished, self.left = restored, unfinished, left
        self.rules, self.once = Rules.of(terms.facts), held_once(terms.facts)
        self.made = Places()  # what a person was before -> those whom restores of ours made of them
        self.ours = bytearray(len(live))  # made by restores of ours
        self.owned = bytearray(len(live))  # the backup has their key
        self.claimed = bytearray(len(live))  # the ledger calls them somebody of the backup
        self.last_admin = -1  # position
        self.keys_again: frozenset[int] = frozenset()  # hashes
        self.names_again: frozenset[int] = frozenset()

    def lines(self) -> Iterator[Line]:
        self._ask_the_ledger()
        self._look()
        if self.last_admin >= 0:
            yield from (line for line in self._walk(self.last_admin) if line.first)
        yield from (line for line in self._walk() if not line.first)

    # what has to be known of everybody before anything is said of anybody

    def _ask_the_ledger(self) -> None:
        live = self.live
        for start in range(0, len(live), _ASKED):
            numbers = range(start, min(start + _ASKED, len(live)))
            asked = {live.user(number).sub: number for number in numbers}
            for sub, before in self.restored(asked.keys()).items():
                self.ours[asked[sub]] = True
                for key in before:
                    self.made.add(key, asked[sub])

    def _look(self) -> None:
        keys, names = array("q"), array("q")
        for position, user in enumerate(self.users()):
            keys.append(hash(user.key))
            names.extend(hash(name) for name in self._held(user))
            if (number := self.live.keyed(user.key)) is not None:
                self.owned[number] = True
            else:
                for made in self.made.every(user.key):
                    self.claimed[made] = True
            if self.terms.first(user):
                self.last_admin = position
        self.keys_again, self.names_again = _twice(keys), _twice(names)

    def _held(self, user: User) -> list[tuple[str, str]]:
        """The names by which the pool would refuse a second user."""
        return [name for name in self.rules.names(user) if name[0] in self.once]

    # everybody in turn

    def _walk(self, until: int | None = None) -> Iterator[Line]:
        contents: dict[str, int] = {}  # key that comes more than once -> what its first entry held
        named: set[tuple[str, str]] = set()  # of the names that come more than once: taken by now
        used = bytearray(len(self.live))  # somebody's by now, otherwise than by the sub
        walk = islice(self.users(), None if until is None else until + 1)
        for position, user in enumerate(walk):
            if hash(user.key) in self.keys_again:
                content = hash(orjson.dumps(user.entry))
                if user.key in contents:
                    if contents[user.key] != content and self.scope.has(user):
                        first = self.terms.first(user)
                        yield Line(position, user, Action.SKIP, "duplicate", twin=True, first=first)
                    continue  # the same entry once more is one person with one line
                contents[user.key] = content
            held = self._held(user)
            taken = [name for name in held if name in named]
            line = self._decided(position, user, used, clash=bool(taken))
            if line.known or line.action is Action.CREATE:
                named.update(name for name in held if hash(name) in self.names_again)
            if line.known:
                used[line.known.number] = True
            if self.scope.has(user):
                yield self._written_over(line, taken)
            elif line.first:  # not chosen, and wanted in every map of identities
                yield _named(line)

    def _decided(self, position: int, user: User, used: bytearray, *, clash: bool) -> Line:
        """A create, or who it is in the pool, or why neither; a user who is there is a skip so far."""
        number, how, taken = self._who(user, used)
        if number is None and how != "twice":
            line = self._creation(position, user)
            if line.action is not Action.CREATE or not (taken or clash):
                return line
        first = self.terms.first(user)
        skip = partial(Line, position, user, Action.SKIP, first=first)
        if number is None:
            return skip("restored-twice" if how == "twice" else "duplicate")
        known = self.live.known(number)
        if job := self.unfinished.get(known.sub):
            return skip("unfinished", str(job), known=known)
        if how in ("sub", "restore") or self.ours[number]:
            return skip("exists", known=known)
        if known.status == user.status == "EXTERNAL_PROVIDER":  # the name is that provider's for this person
            return skip("exists", known=known)
        if job := self.unfinished.get(user.key):  # begun, and anybody may have taken the name since
            return skip("unfinished", str(job))
        if self.terms.taken_at and known.created <= self.terms.taken_at:
            return skip("exists", known=known)
        likely = _invited(known) or _proven(known)
        if likely and user.key in self.terms.choices.again:
            return skip("exists", known=known)
        if first and likely:
            return skip("administrator", known=known)
        if (left := self.left.get(user.key)) and known.status != "UNCONFIRMED":  # which only a sign-up gives
            return skip("perhaps-made" if likely else "unfinished", str(left.job))
        if not self.terms.taken_at:
            return skip("same-name")
        if known.status == "UNCONFIRMED" and not clash:
            return self._instead(skip, known) if self._alike(user, known, how) else skip("same-name")
        return skip(_again(known))

    def _alike(self, user: User, known: Known, how: str) -> bool:
        """Whether the name is spelled alike: in another Unicode form one more account may have it."""
        live = self.live.user(known.number)
        mine, theirs = (user.email, live.email) if how == "email" else (user.username, live.username)
        return mine == theirs or (not self.rules.case_sensitive and mine.lower() == theirs.lower())

    def _creation(self, position: int, user: User) -> Line:
        """As ``creation``, but nobody is made whose link stands as an account of its own in the pool.

        AdminLinkProviderForUser takes no identity that has one, and the person signs in to that one.
        """
        line = creation(position, user, self.terms)
        for provider, subject in line.links:
            for name in (f"{provider}_{subject}", f"{provider.lower()}_{subject}"):
                number = self.live.named("username", name)
                if number is not None and self.live.known(number).status == "EXTERNAL_PROVIDER":
                    return Line(position, user, Action.SKIP, "link-apart", provider, first=line.first)
        return line

    def _instead(self, skip: Callable[..., Line], known: Known) -> Line:
        """A create that deletes the account that nobody confirmed, where that was allowed."""
        line = skip("unfinished-again", held=Guard.REPLACE)
        if Guard.REPLACE not in self.terms.choices.guards:
            return line
        line = self._creation(line.position, line.user)
        if line.action is not Action.CREATE:
            return line
        seen = fingerprint(self.live.user(known.number))
        return replace(line, reason="replaced", removes=known.username, seen=seen)

    def _who(self, user: User, used: bytearray) -> tuple[int | None, str, bool]:
        """(this person in the pool, how that is known, whether the name is another person's there)."""
        if (number := self.live.keyed(user.key)) is not None:
            return number, "sub", False
        made = self.made.every(user.key)
        ours = [one for one in made if not self.owned[one] and not used[one]]
        if len(ours) > 1:
            return None, "twice", False
        if made:  # that is in the backup too, or was made of more than one: the same person once more
            return ours[0] if ours else None, "restore", not ours
        for how, name in self.rules.names(user):
            number = self.live.named(how, name)
            if number is not None and (self.owned[number] or self.claimed[number] or used[number]):
                return None, "", how in self.once
            if number is not None:
                return number, how, False
        return None, "", False

    def _written_over(self, line: Line, taken: Collection[tuple[str, str]]) -> Line:
        """The same line, or the update that was chosen for who exists; ``taken``: names of others by now."""
        known, terms = line.known, self.terms
        if known is None or line.reason == "unfinished":
            return line
        if left := self.left.get(known.sub):
            line = finished(line, known, self.live.user(known.number), left, terms)
        if line.held or terms.choices.existing is Existing.SKIP:
            return line
        # Who is written over gets what is lacking with it; who is only filled has the fields of the create.
        if line.action is Action.UPDATE and terms.choices.existing is Existing.FILL:
            return line
        if line.reason == "administrator" and not _invited(known):  # may have signed up: mapped, no more
            return line
        live = self.live.user(known.number)
        made = update(line.position, line.user, known, live, line.reason, terms)
        if line.action is Action.UPDATE and made.action is not Action.UPDATE:
            return line
        if all(name != "email" for name, _, _ in made.changes):
            return made
        emails = [name for name in self._held(line.user) if name[0] == "email"]
        others = [self.live.named(*name) not in (None, known.number) or name in taken for name in emails]
        return replace(line, action=Action.CANNOT, reason="address-taken") if any(others) else made


def _named(line: Line) -> Line:
    """Of an administrator who was not chosen: nothing is done, and nothing is there to decide."""
    if line.action is Action.SKIP:
        return replace(line, held=None)
    return Line(line.position, line.user, Action.SKIP, "administrator-missing", first=True)


def _twice(hashes: array[int]) -> frozenset[int]:
    """Those that come more than once."""
    again, parts = set[int](), len(hashes) // _PART + 1
    for part in range(parts):
        ordered = sorted(one for one in hashes if one % parts == part)
        again.update(one for one, following in pairwise(ordered) if one == following)
    return frozenset(again)


def _proven(known: Known) -> bool:
    return known.status == "CONFIRMED" and known.verified


def _invited(known: Known) -> bool:
    """Nobody has this status from signing up: somebody who may administer the pool made the user."""
    return known.status == "FORCE_CHANGE_PASSWORD"


def _again(known: Known) -> str:
    if known.status == "UNCONFIRMED":
        return "unfinished-again"
    if _invited(known):
        return "made-again"
    return "registered-again" if _proven(known) else "unverified-again"

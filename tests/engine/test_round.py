"""Backup, wipe, plan, restore, compare: what is missing afterwards is what the plan said, and nothing else.

Any pool that Cognito lets be: people of every status, names in odd letters, addresses that differ by case or
by the form of a letter, some through a provider, some without an e-mail. All of them are deleted, or some,
and what stays is edited; some register again. Then the product's own steps, one after the other, over the
pool in memory.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backups.core import diff, naming, plan
from backups.core.choices import Choices, Existing, Guard
from backups.core.diff import FACTORS, GROUPS, Change, Kind, diff_groups, privileged
from backups.core.matching import Index, Rules
from backups.core.plan import ENABLED, Action, Line, Messages
from backups.core.snapshot import ADDRESSES, Group, User, iso
from backups.engine.compare import compare
from backups.engine.live import read_pool
from backups.engine.ports import Cause, Outcome
from backups.engine.reading import Reading, read_backup
from backups.engine.restore import ASKED, NONE_WENT_OUT, Task, restore
from tests.build import KEY, a_backup, laws, seal
from tests.engine.test_undo import done, planned, touched_by
from tests.fakes import STANDARD_ATTRIBUTES, TEAM_ATTRIBUTES, FakePool, FakeReport, FakeStore, identities_of

LONG_AGO = "2026-01-10T09:00:00.000Z"
GROUPS_THERE = (
    Group("admins", "who may", 1, "arn:aws:iam::123456789012:role/admins"),
    Group("beta", "", 0),
    Group("日本", "Ünï “Q” \\", None),
)
POOLS: dict[str, dict[str, Any]] = {
    "email": {},
    "email by case": {"case_sensitive": True},
    "username": {"username_attributes": (), "required": ()},
    "username by case": {"username_attributes": (), "required": (), "case_sensitive": True},
    "alias": {"username_attributes": (), "required": (), "alias_attributes": ("email",)},
}
BEGUN = datetime(2026, 11, 22, 2, tzinfo=UTC)  # not before the restores begin, here
MAILS = ("create_user", "resend_invitation")
FLAGS = {f"{address}_verified" for address in ADDRESSES}
THERE = (Kind.CHANGED, Kind.ANEW)  # the same person on both sides


# --- any pool -------------------------------------------------------------------------------------

LOCAL = ["ada", "Ada", "ADA", "bob", "é", "e\u0301", "É", "E\u0301", "ﬁ", "fi", "straße", "日本", "o'x"]
local_parts = st.sampled_from(LOCAL)
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)
values = st.sampled_from(["", "Ada", "Ada “Q” \\ 日本", "e\u0301", "é", "\N{PARTY POPPER}", " a\n"]) | texts
groups = st.sets(st.sampled_from([group.name for group in GROUPS_THERE]))
people = st.fixed_dictionaries(
    {
        "email": st.sampled_from([*LOCAL, ""]),
        "username": local_parts,
        "verified": st.sampled_from(["true", "false", "True", None]),
        "status": st.sampled_from(
            ["CONFIRMED"] * 7
            + ["UNCONFIRMED", "FORCE_CHANGE_PASSWORD", "RESET_REQUIRED", "ARCHIVED", "COMPROMISED"]
        ),
        "enabled": st.booleans(),
        "groups": groups,
        "name": st.just("Ada") | values,
        "institution": values,
        "terms": st.sampled_from(["", "", "true"]),
        "phone": st.sampled_from([("", None), ("+46701", "true"), ("+46702", "false"), ("+46703", None)]),
        "kind": st.sampled_from(["native"] * 7 + ["federated", "linked", "linked somehow"]),
        "factors": st.sampled_from([(), (), ("SOFTWARE_TOKEN_MFA",)]),
        # since the backup was made, where not everybody is wiped
        "then": st.sampled_from(["gone", "gone", "stays", "edited", "edited", "again", "unconfirmed again"]),
        "edit": st.fixed_dictionaries(
            {
                "name": values,
                "institution": values,
                "enabled": st.booleans(),
                "groups": groups,
                "flag": st.booleans(),
            }
        ),
    }
)
choosing = st.builds(
    Choices,
    existing=st.sampled_from(Existing),
    guards=st.sets(st.sampled_from(Guard)).map(frozenset) | st.just(frozenset(Guard)),
    link=st.booleans(),
    defaults=st.sampled_from([{}, {"name": "Nobody", "family_name": "X"}]),
    leave_out=st.sampled_from([frozenset[str](), frozenset({"custom:agreed_terms"})]),
)
worlds = st.fixed_dictionaries(
    {
        "pool": st.sampled_from(sorted(POOLS)),
        "people": st.lists(people, max_size=7),
        "strangers": st.integers(0, 2),
        "wiped": st.booleans(),
        "ses": st.booleans(),
        "forgets": st.booleans(),  # the pool's schema has lost an attribute
        "asks": st.booleans(),  # … and has another one that is required
        "frozen": st.booleans(),  # the name is written at creation only
        "ticked": st.booleans(),  # who registered again is said to be the same person
        "admins": st.booleans(),  # somebody administers the application
        "messages": st.sampled_from(Messages),
        "choices": choosing,
    }
)


class World:
    """One pool, from the day of its backup to the day after its restore."""

    def __init__(self, told: dict[str, Any]) -> None:
        self.told, self.choices, self.messages = told, told["choices"], told["messages"]
        self.pool = FakePool(**POOLS[told["pool"]], mails_left=None)
        self.pool.mail = "DEVELOPER" if told["ses"] else "COGNITO_DEFAULT"
        self.pool.providers = {"Google"}
        self.pool.group_rows = {group.name: group for group in GROUPS_THERE}
        self.pool.memberships = {group.name: set() for group in GROUPS_THERE}
        self.store = FakeStore(clock=self.pool.clock)
        self.people = list(self._settle(told["people"]))
        if told["ticked"]:
            again = frozenset(User.of(entry).sub for entry in self.pool.entries.values())
            self.choices = replace(self.choices, again=again)
        a_backup(self.store, self.pool, mfa_policy="on")
        self.pool.clock.advance(3600)
        self.pool.active.clear()
        self._change()

    # before the backup

    def _settle(self, people: list[dict[str, Any]]) -> Iterator[tuple[str, dict[str, Any]]]:
        """(Username, person) of whom the pool takes: none whose name or address it would refuse."""
        for number, one in enumerate(people):
            email = f"{one['email']}@uni.example" if one["email"] else ""
            username = "" if self.pool.username_attributes else one["username"]
            more = self._of_the_kind(one, number)
            if one["kind"] == "federated":
                username = f"Google_{number}"
            if self._taken(email, username, one["verified"]):
                continue
            attributes = {
                "name": one["name"],
                "custom:institution": one["institution"],
                "custom:agreed_terms": one["terms"],
                "phone_number": one["phone"][0],
                "phone_number_verified": one["phone"][1],
                **more,
            }
            entry = self.pool.add(
                email,
                username=username,
                sub=f"sub-{number}",
                status="EXTERNAL_PROVIDER" if one["kind"] == "federated" else one["status"],
                enabled=one["enabled"],
                groups=one["groups"],
                created=LONG_AGO,
                **{name: value for name, value in attributes.items() if value is not None},
            )
            self._flag(entry["Username"], one["verified"])
            if one["factors"]:
                self.pool.factors[entry["Username"]] = one["factors"]
            yield entry["Username"], one

    @staticmethod
    def _of_the_kind(one: dict[str, Any], number: int) -> dict[str, str]:
        if one["kind"] == "native":
            return {}
        if one["kind"] == "linked somehow":
            return {"identities": '[{"providerName":"Google"}]'}
        return {"identities": f'[{{"userId":"{number}","providerName":"Google","primary":false}}]'}

    def _taken(self, email: str, username: str, verified: str | None) -> bool:
        """Whether the pool, as it tells letters apart, would refuse this user."""
        if self.pool.username_attributes:
            return bool(email) and self.pool.get(email) is not None
        if self.pool.get(username) is not None:
            return True
        return (
            bool(self.pool.alias_attributes)
            and bool(email)
            and verified == "true"
            and self.pool.get(email) is not None
        )

    def _flag(self, username: str, verified: str | None) -> None:
        listed = self.pool.entries[username]["Attributes"]
        rest = [one for one in listed if one["Name"] != "email_verified"]
        had = len(rest) < len(listed) and verified is not None
        self.pool.entries[username]["Attributes"] = (
            [*rest, {"Name": "email_verified", "Value": verified}] if had else rest
        )

    # after the backup

    def _change(self) -> None:
        told, pool = self.told, self.pool
        for username, one in self.people:
            then = "gone" if told["wiped"] else one["then"]
            if then == "edited":
                self._edit(username, one["edit"])
            if then not in ("stays", "edited"):
                email = User.of(pool.entries[username]).email
                pool.remove(username)
                pool.factors.pop(username, None)
                if then != "gone":
                    self._register(username, email, one, then)
        if told["wiped"]:
            pool.group_rows.clear()
            pool.memberships.clear()
        for number in range(told["strangers"]):
            pool.add(
                f"stranger{number}@x.io", username="" if pool.username_attributes else f"stranger{number}"
            )
        if told["forgets"]:
            pool.attributes -= {"custom:agreed_terms"}
        if told["asks"]:
            pool.required |= {"family_name"}
        if told["frozen"]:
            pool.immutable = frozenset({"name"})
        pool.messages.clear()

    def _register(self, username: str, email: str, one: dict[str, Any], then: str) -> None:
        """The same name once more, by themselves."""
        name = "" if self.pool.username_attributes else username
        if (email or name) and not self._taken(email, name, one["verified"]):
            status = "CONFIRMED" if then == "again" else "UNCONFIRMED"
            sub = f"again-{username}"
            self.pool.add(email, username=name, sub=sub, status=status, verified=one["edit"]["flag"])

    def _edit(self, username: str, edit: dict[str, Any]) -> None:
        pool = self.pool
        entry = pool.entries[username]
        kept = {one["Name"]: one["Value"] for one in entry["Attributes"]}
        kept |= {"name": edit["name"], "custom:institution": edit["institution"]}
        if kept.get("email") and not pool.alias_attributes:
            kept["email_verified"] = "true" if edit["flag"] else "false"
        entry["Attributes"] = [{"Name": name, "Value": value} for name, value in kept.items()]
        pool._touch(entry, Enabled=edit["enabled"])
        for name, members in pool.memberships.items():
            (members.add if name in edit["groups"] else members.discard)(username)

    # the product's own steps

    @contextmanager
    def sides(self) -> Iterator[tuple[Reading, Reading]]:
        with (
            read_backup(self.store, KEY, FakeReport(), "backup", beside=True, seal=seal) as backup,
            read_pool(self.pool, FakeReport(), "live") as live,
        ):
            yield backup, live

    def plan(self, backup: Reading, live: Reading, made: Mapping[str, tuple[str, ...]]) -> list[Line]:
        """As runner.plan puts it together."""
        facts = live.facts
        assert facts is not None
        index = Index(Rules.of(facts), at=live.at)
        for (_, place), user in zip(live.marks(), live.users(), strict=True):
            index.add(user, place)
        return list(
            plan.lines(
                backup.users,
                index,
                facts,
                choices=self.choices,
                taken_at=taken_at(),
                memberships=backup.memberships,
                members=live.memberships or {},
                privileged=privileged(backup.groups, live.groups),
                factors=backup.factors or {},
                admins=["ADA@uni.example"] if self.told["admins"] else [],
                restored=lambda subs: {sub: made[sub] for sub in subs if sub in made},
            )
        )

    def restore(self, lines: list[Line], missing: list[Group]) -> FakeReport:
        report = FakeReport(clock=self.pool.clock)
        tasks = [Task(line) for line in lines if line.action in (Action.CREATE, Action.UPDATE)]
        pool, facts = self.pool, self.pool.facts()
        restore(pool, tasks, missing, facts, report, pool.clock, messages=self.messages)
        return report

    def go_on(self, lines: list[Line], missing: list[Group], so_far: FakeReport) -> FakeReport:
        """The same job once more, as a resume does it from the ledger's rows."""
        report, tasks = FakeReport(clock=self.pool.clock), list[Task]()
        for line in lines:
            row = so_far.outcomes.get(line.key)
            if row is None or row.outcome != "failed" or row.reason == "maybe-invited":
                continue
            told = row.reason in NONE_WENT_OUT or (row.reason == "refused" and row.step == ASKED)
            reason = row.reason if told else ""
            begun = replace(row, outcome="", reason=reason, detail="")
            tasks.append(Task(line, begun, BEGUN))
        pool, facts = self.pool, self.pool.facts()
        restore(pool, tasks, missing, facts, report, pool.clock, messages=self.messages)
        report.outcomes = so_far.outcomes | report.outcomes
        return report

    def removed(self, lines: list[Line]) -> set[str]:
        """Subs of those who never confirmed, and whom the plan deletes; asked before it is carried out."""
        names = {line.removes for line in lines} - {""}
        return {User.of(entry).sub for name, entry in self.pool.entries.items() if name in names}

    def standing(self) -> dict[str, tuple[dict[str, str], bool, set[str]]]:
        """Sub -> attributes that hold something, enabled, groups; by no call."""
        found = {}
        for username, entry in self.pool.entries.items():
            user = User.of(entry)
            held = {name: value for name, value in user.attributes.items() if value and name != "sub"}
            inside = {name for name, members in self.pool.memberships.items() if username in members}
            found[user.sub] = (held, user.enabled, inside)
        return found


def taken_at() -> str:
    key = naming.parse(KEY)
    assert key
    return iso(key.taken_at)


@dataclass
class Round:
    """What one round came to."""

    world: World
    lines: list[Line]
    outcomes: dict[str, Outcome]
    changes: dict[str, Change]  # by the key of the backup's user; of a twin the first
    groups_differ: list[Any]
    again: list[Line]
    before: dict[str, Any] = field(default_factory=dict)
    after: dict[str, Any] = field(default_factory=dict)
    text: str = ""


def a_round(told: dict[str, Any]) -> Round:
    world = World(told)
    with world.sides() as (backup, live):
        before = world.standing()
        lines = world.plan(backup, live, {})
        there = {group.name for group in live.groups or ()}
        for sub in world.removed(lines):
            assert before.pop(sub)
        report = world.restore(lines, [group for group in backup.groups or () if group.name not in there])
    outcomes = report.outcomes
    made = {one.new_sub: (key,) for key, one in outcomes.items() if one.outcome == "created"}
    with world.sides() as (backup, live):
        assert live.facts is not None
        asked = diff.Choices(
            Rules.of(live.facts), restored=lambda subs: {sub: made[sub] for sub in subs if sub in made}
        )
        taken = (taken_at(), "")
        changes: dict[str, Change] = {}
        for change in compare(backup, live, asked, FakeReport(), diff.Counts(), taken=taken):
            if change.side == "from" and change.kind is not Kind.ONLY_TO:
                changes[change.user.key] = change
        differ, _ = diff_groups(backup.groups or (), live.groups or ())
        again = [
            line for line in world.plan(backup, live, made) if line.action in (Action.CREATE, Action.UPDATE)
        ]
        if not live.count:  # where one side is empty nobody is told one by one
            changes = {user.key: Change(Kind.ONLY_FROM, user) for user in backup.users()}
        after = world.standing()
    return Round(world, lines, outcomes, changes, differ, again, before, after, report.text)


# --- what the plan said ---------------------------------------------------------------------------


def was_told(line: Line, name: str, old: str, new: str, choices: Choices) -> bool:
    """Whether the plan said beforehand that this field would not be as in the backup."""
    if name == GROUPS:
        lost = set(filter(None, old.split(", "))) - set(filter(None, new.split(", ")))
        filled = line.action is Action.UPDATE and choices.existing is Existing.FILL
        return lost <= set(line.withheld) or filled or line.action in (Action.SKIP, Action.CANNOT)
    if name in FLAGS:  # ENGINE.md: always written, true or false, beside its address
        same = (old.lower() == "true") == (new.lower() == "true") or not line.user.attributes.get(
            name.removesuffix("_verified")
        )
        if same:
            return True
    if name in line.unknown or name in line.defaults:
        return True
    if line.action is Action.CREATE:
        return name == "identities" and bool(line.links)  # of a link the provider and the subject come back
    if line.action is not Action.UPDATE:
        return True  # it said that this user is left alone, and why
    if name in line.immutable or not old:  # nothing is ever removed
        return True
    if name == ENABLED:
        return line.held is Guard.ENABLE or choices.existing is Existing.FILL
    if name in ("UserStatus", "identities"):
        return True  # Cognito's own
    return choices.existing is Existing.FILL and bool(new)


def known_by_name(line: Line) -> bool:
    """Somebody said so, or the application makes this account by itself; a comparison knows neither."""
    return line.known is not None and line.known.sub != line.user.sub


def expected(line: Line, before: dict[str, Any]) -> tuple[dict[str, str], bool, set[str]]:
    """What the plan promised of a user whom it writes to."""
    if line.action is Action.CREATE:
        held = dict(line.attributes) | ({"identities": identities_of(line.links)} if line.links else {})
        return held, line.user.enabled, set(line.groups)
    assert line.known
    held, enabled, inside = before[line.known.sub]
    held, inside = dict(held), inside | set(line.groups)
    for name, there, value in line.changes:
        if name == ENABLED:
            assert str(enabled).lower() == there
            enabled = value == "true"
        else:
            assert held.get(name, "") == there
            held[name] = value
    for address in ADDRESSES:
        if any(name == address for name, _, _ in line.changes):
            held.setdefault(f"{address}_verified", "false")
    return held, enabled, inside


@laws(300)
@given(worlds)
def test_what_is_missing_afterwards_is_what_the_plan_said(told: dict[str, Any]) -> None:
    done = a_round(told)
    pool, choices, messages = done.world.pool, done.world.choices, done.world.messages
    written = {line.key: line for line in done.lines if line.action in (Action.CREATE, Action.UPDATE)}

    # Whoever was promised came, and nobody else was touched.
    assert done.outcomes.keys() == written.keys()
    after = dict(done.after)
    for key, line in written.items():
        outcome = done.outcomes[key]
        assert (outcome.outcome, outcome.reason) == (f"{line.action.value}d", ""), (line, outcome)
        assert outcome.confirmed
        assert after.pop(outcome.new_sub) == expected(line, done.before)
        if line.action is Action.UPDATE:
            del done.before[outcome.new_sub]
    assert after == done.before

    # What differs was said, and of whom nothing was said nothing differs.
    for line in done.lines:
        change = done.changes.pop(line.user.key, None)
        if change is None:
            assert line.known, "nobody comes back under the old sub, and who stands is known"
        elif line.action is Action.CREATE:
            assert change.kind is Kind.ANEW and change.matched_by == "restore", change
        elif line.action is Action.UPDATE or line.known:
            assert change.kind in THERE or known_by_name(line), change
        else:
            assert change.kind not in THERE or line.reason in ("same-name", "duplicate"), (line, change)
            assert plan.sentence(line.reason, line.detail)
            continue
        for name, old, new in change.fields if change else ():
            assert was_told(line, name, old, new, choices), (line, name, old, new)
    assert not done.changes, "somebody without a line"
    assert done.groups_differ == []

    # Whoever had a second factor and comes back was named.
    for line in done.lines:
        had = dict(done.world.people).get(line.user.username, {}).get("factors")
        assert bool(line.factors) == (line.action is Action.CREATE and bool(had))

    # Nobody was written to by surprise, and a second plan has nothing left to do.
    invited = {
        outcome.new_username
        for key, outcome in done.outcomes.items()
        if messages is Messages.INVITE
        and written[key].action is Action.CREATE
        and written[key].user.enabled
        and written[key].user.email
    }
    assert pool.messages == dict.fromkeys(invited, 1)
    assert done.again == []
    for one in done.world.people:
        assert f"{one[1]['email']}@uni.example" not in done.text or not one[1]["email"]


busy_worlds = worlds.flatmap(
    lambda told: st.lists(people, min_size=2, max_size=6).map(
        lambda some: told | {"people": some, "asks": False}
    )
)
OPERATIONS = """create_user set_password disable_user enable_user update_user add_to_group create_group
    link_user get_user groups_of delete_user resend_invitation""".split()
OF_MAILS = (Cause.DELIVERY, Cause.MAIL_LIMIT, Cause.TRIGGER)
CAUSES = [Cause.DENIED, Cause.LOST, Cause.UNREACHABLE, Cause.THROTTLED, *OF_MAILS]


@laws(300)
@given(
    busy_worlds,
    st.dictionaries(
        st.sampled_from(OPERATIONS),
        st.tuples(
            st.sampled_from(CAUSES),
            st.booleans(),
            st.sampled_from([1, 1, 2, 3]),
            st.sampled_from([1, 2, 999]),
        ),
        min_size=1,
        max_size=4,
    ),
)
def test_cut_short_it_tells_no_lie_and_gone_on_with_it_comes_to_the_plan(
    told: dict[str, Any], faults: dict[str, tuple[Cause, bool, int, int]]
) -> None:
    world = World(told)
    pool = world.pool
    with world.sides() as (backup, live):
        before = world.standing()
        lines = world.plan(backup, live, {})
        there = {group.name for group in live.groups or ()}
        missing = [group for group in backup.groups or () if group.name not in there]
        for operation, (cause, after, nth, times) in faults.items():
            if cause in OF_MAILS and operation not in MAILS:
                continue
            # What was refused was not done; an error of the mail says so of the mail alone.
            done_all_the_same = after and cause in (Cause.LOST, *OF_MAILS)
            pool.fail(operation, cause, after=done_all_the_same, nth=nth, times=times)
        removed = world.removed(lines)
        report = world.restore(lines, missing)
        pool._faults.clear()
        must_hold(world, lines, report, before, removed)
        for _ in range(2):
            report = world.go_on(lines, missing, report)
        must_hold(world, lines, report, before, removed)
    for outcome in report.outcomes.values():
        assert outcome.outcome in ("created", "updated") or outcome.reason == "maybe-invited", outcome


def must_hold(
    world: World, lines: list[Line], report: FakeReport, before: dict[str, Any], removed: set[str]
) -> None:
    """Whatever happened."""
    pool, after = world.pool, world.standing()
    assert all(number == 1 for number in pool.messages.values()), "a second message"
    written = {line.key: line for line in lines if line.action in (Action.CREATE, Action.UPDATE)}
    assert report.outcomes.keys() == written.keys(), "somebody without an outcome"
    ours = set()
    for key, line in written.items():
        outcome = report.outcomes[key]
        assert outcome.outcome in ("created", "updated", "failed"), (line, outcome)
        ours.add(outcome.new_sub)
        if not line.user.enabled or world.messages is not Messages.INVITE or line.action is Action.UPDATE:
            assert not pool.messages[outcome.new_username], "a message that nobody chose"
        if outcome.outcome != "failed":
            assert outcome.confirmed and after[outcome.new_sub] == expected(line, before), "a false success"
            assert pool.messages[outcome.new_username] == outcome.messages
    for sub, held in before.items():
        if sub not in ours | removed:
            assert after[sub] == held, "somebody else was touched"


@laws(150)
@given(worlds)
def test_undone_at_once_the_pool_is_as_it_was_before_the_restore(told: dict[str, Any]) -> None:
    world = World(told)
    with world.sides() as (backup, live):
        before = world.standing()
        lines = world.plan(backup, live, {})
        there = {group.name for group in live.groups or ()}
        for sub in world.removed(lines):  # nobody can bring these back
            assert before.pop(sub)
        report = world.restore(lines, [group for group in backup.groups or () if group.name not in there])
    pool, written = world.pool, [line for line in lines if line.key in report.outcomes]
    sent = pool.messages.copy()
    touched = [touched_by(line, report.outcomes[line.key], world.messages, pool) for line in written]
    verdicts = planned(pool, *touched)
    # Who is linked again may have signed in through the provider by now; everybody else is taken back.
    stay = {line.key for line in written if line.links}
    assert {verdict.key for verdict in verdicts} == report.outcomes.keys() - stay
    outcomes = done(pool, verdicts)
    assert {outcome.outcome for outcome in outcomes.values()} <= {"deleted", "updated"}
    after = world.standing()
    for key in stay:
        assert after.pop(report.outcomes[key].new_sub)
    assert unmarked(after) == unmarked(before)
    assert pool.messages == sent, "an undo writes to nobody"


def unmarked(standing: dict[str, Any]) -> dict[str, Any]:
    """Without the marks that an address is not verified: once written, nobody can unset them."""
    return {
        sub: ({name: value for name, value in held.items() if name not in FLAGS or value != "false"}, *rest)
        for sub, (held, *rest) in standing.items()
    }


@pytest.mark.parametrize("name", sorted(POOLS))
@pytest.mark.parametrize("messages", list(Messages))
def test_where_everything_can_come_back_nothing_differs(name: str, messages: Messages) -> None:
    """The plainest promise: no field of anybody, no group, no membership."""
    person = {
        "verified": "true",
        "status": "CONFIRMED",
        "enabled": True,
        "groups": {"beta", "日本"},
        "name": "Ada “Q” 日本",
        "institution": "e\u0301",
        "terms": "true",
        "phone": ("+46701", "true"),
        "kind": "native",
        "factors": (),
        "then": "gone",
    }
    told = {
        "pool": name,
        "people": [
            person | {"email": "ada", "username": "ada"},
            person | {"email": "bob", "username": "Bob", "enabled": False, "groups": set()},
            person | {"email": "日本", "username": "日本", "verified": "false", "status": "RESET_REQUIRED"},
        ],
        "strangers": 0,
        "wiped": True,
        "ses": True,
        "forgets": False,
        "asks": False,
        "frozen": False,
        "ticked": False,
        "admins": False,
        "messages": messages,
        "choices": Choices(),
    }
    done = a_round(told)
    assert [line.action for line in done.lines] == [Action.CREATE] * 3
    assert {outcome.outcome for outcome in done.outcomes.values()} == {"created"}
    assert [change.fields for change in done.changes.values()] == [()] * 3
    assert (done.groups_differ, done.again) == ([], [])
    assert sorted(done.world.pool.attributes) == sorted(STANDARD_ATTRIBUTES | TEAM_ATTRIBUTES)
    assert FACTORS not in {name for change in done.changes.values() for name, _, _ in change.fields}

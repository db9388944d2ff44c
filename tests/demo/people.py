"""Who the demo's users are, and what happens to them over twelve weeks. Pure, the same at every run.

Time is counted in weekly backups: 0 is the oldest, WEEKS - 1 the last one. What happened after the
last backup is ``Drift``.
"""

from __future__ import annotations

import random
import unicodedata
from dataclasses import dataclass, replace

WEEKS = 12

FIRST = (
    "Ada Álvaro Amélie Anders Björk Chiara Dáithí Éloïse Fatima Grażyna Håkon Ines João Katarína "
    "Łukasz Maëlle Nguyên Oğuz Petra Renée Søren Tomáš Ümit Věra Wanjiru Xóchitl Yusuf Zoë Ömer "
    "Siobhán Marta Ravi Priya Kwame Lena Iker"
).split()
LAST = (
    "Abebe Brontë Çelik D'Angelo Eriksson Fernández García Hoàng Iversen Jiménez Kowalczyk Lindström "
    "Müller Núñez O'Brien Pérez Quiñones Rossi Šimková Tanaka Ueda Vörös Weiß Yılmaz Zając Okafor "
    "Sørensen Lefèvre Nováková Mwangi"
).split()
WHOLE = (
    "山田 花子|王 小明|김 민준|李 娜|佐藤 健|Мария Иванова|Ελένη Παππά|נועה לוי|ليلى حداد|Robin “Rob” Hale|"
    'Grace "Amazing" Lund|Sam 🧬 Carter|Noor 👩🏽‍🔬 Haddad|Jean-Luc d’Arcy|Back\\Slash Jones|Zoë|'
    "An Nguyễn 🌱"
).split("|")
PLACES = (
    ("Aldermoor University", "aldermoor.example"),
    ("Instituto Biomédico de Vega", "ibv.example"),
    ("Université de Saint-Aubin", "saint-aubin.example"),
    ("Kestrel Institute", "kestrel.example"),
    ("北辰大学", "hokushin.example"),
    ('The "Open" Lab', "openlab.example"),
    ("O’Hara & Daughters, Cell Atlas", "ohara.example"),
    ("Universität Grünau", "gruenau.example"),
    ("Tide Genomics 🧪", "tide.example"),
    ("", "mail.example"),
)


@dataclass(frozen=True, slots=True)
class Change:
    """From backup ``week`` on a value is what the person has today; before it was ``old``."""

    week: int
    what: str  # name | institution | enabled | group
    old: str


@dataclass(frozen=True, slots=True)
class Person:
    number: int
    name: str
    email: str
    institution: str
    joined: int = 0  # the first backup that holds them
    left: int = WEEKS  # the first backup that does not
    verified: bool = True
    enabled: bool = True
    status: str = "CONFIRMED"  # FORCE_CHANGE_PASSWORD | UNCONFIRMED
    provider: str = ""  # signs in with it too: the account is linked
    groups: frozenset[str] = frozenset()
    terms: bool = True
    emails: bool = False
    before: tuple[Change, ...] = ()

    def present(self, week: int) -> bool:
        return self.joined <= week < self.left

    def at(self, week: int) -> Person:
        """The person as the backup of ``week`` shows them."""
        then = self
        for change in self.before:
            if week >= change.week:
                continue
            if change.what == "enabled":
                then = replace(then, enabled=change.old == "true")
            elif change.what == "group":
                then = replace(then, groups=then.groups - {change.old})
            elif change.what == "name":
                then = replace(then, name=change.old)
            else:
                then = replace(then, institution=change.old)
        return then


@dataclass(frozen=True, slots=True)
class Drift:
    """What happened to the live pool after the last backup."""

    missing: frozenset[int] = frozenset()  # numbers of people who are gone
    now: tuple[Person, ...] = ()  # people as they are today, where that differs from the last backup
    newcomers: tuple[Person, ...] = ()  # registered since


@dataclass(frozen=True, slots=True)
class Cast:
    """Everybody who was ever in one pool, its groups, and what became of them since."""

    environment: str
    groups: tuple[tuple[str, str, int], ...]  # name, description, precedence
    people: tuple[Person, ...]
    drift: Drift = Drift()

    @property
    def pool_name(self) -> str:
        return f"biomage-user-pool-case-insensitive-{self.environment}"

    def at(self, week: int) -> list[Person]:
        return [person.at(week) for person in self.people if person.present(week)]

    @property
    def stays(self) -> list[Person]:
        """Who of the last backup is in the pool today."""
        return [p for p in self.people if p.present(WEEKS - 1) and p.number not in self.drift.missing]


GROUPS = (
    ("admins", "May change everybody's experiments", 1),
    ("curators", "Look after the public data sets", 10),
    ("trainers", "Hold the courses", 20),
    ("beta-testers", "See new features first", 30),
    ("kestrel", "Kestrel Institute’s shared workspace", 40),
    ("read-only", "May look and not change", 50),
)
SIZES = (5, 40, 25, 180, 110, 60)  # members of each, of 2,000


def production() -> Cast:
    """2,000 users in the last backup, grown from 1,790; 150 of them are gone today."""
    dice = random.Random("production")
    people = [_person(dice, number, linked=12, unconfirmed=12) for number in range(2022)]
    for number in dice.sample(range(100, 1790), 22):  # two leave every week
        people[number] = replace(people[number], left=1 + sum(p.left < WEEKS for p in people) // 2)
    for number in range(1790, 2022):
        people[number] = replace(people[number], joined=1 + (number - 1790) * 11 // 232)
    people = _grouped(dice, people, SIZES)
    people = _changing(dice, people, 9)
    return Cast("production", GROUPS, tuple(people), _drift(dice, people))


def staging() -> Cast:
    """300 users, until a clean-up that went wrong: 120 in the last backup, and today."""
    dice = random.Random("staging")
    people = [_person(dice, number, linked=2, unconfirmed=3) for number in range(300)]
    for number in range(270, 300):
        people[number] = replace(people[number], joined=1 + (number - 270) * 10 // 30)
    for number in dice.sample(range(300), 180):
        people[number] = replace(people[number], left=WEEKS - 1)
    people = _changing(dice, _grouped(dice, people, (2, 6, 4, 20, 15, 5)), 2)
    return Cast("staging", GROUPS, tuple(people))


def _person(dice: random.Random, number: int, *, linked: int, unconfirmed: int) -> Person:
    institution, domain = dice.choice(PLACES)
    name = dice.choice(WHOLE) if dice.random() < 0.06 else f"{dice.choice(FIRST)} {dice.choice(LAST)}"
    ascii_name = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    local = (
        ".".join("".join(c for c in part if c.isalpha()) for part in ascii_name.split()).strip(".") or "user"
    )
    local = local if dice.random() < 0.04 else local.lower()  # a few typed capitals
    chance = dice.random()
    person = Person(
        number,
        name,
        f"{local}{number}@{domain}",
        institution,
        verified=chance > 0.03,
        enabled=not 0.5 < chance < 0.52,
        emails=dice.random() < 0.4,
        terms=dice.random() < 0.98,
    )
    if number < linked:
        return replace(person, provider="Google", verified=True, enabled=True)
    if number < linked + unconfirmed:
        return replace(person, status="UNCONFIRMED", verified=False, enabled=True)
    return replace(person, status="FORCE_CHANGE_PASSWORD") if 0.6 < chance < 0.62 else person


def _grouped(dice: random.Random, people: list[Person], sizes: tuple[int, ...]) -> list[Person]:
    people = list(people)
    for (group, _, _), size in zip(GROUPS, sizes, strict=True):
        for number in dice.sample(range(len(people)), size):
            people[number] = replace(people[number], groups=people[number].groups | {group})
    return people


def _changing(dice: random.Random, people: list[Person], each_week: int) -> list[Person]:
    """Between two backups a few change their name or institution, are disabled, join a group."""
    people = list(people)
    for week in range(1, WEEKS):
        for person in dice.sample(
            [p for p in people if p.joined < week < p.left and not p.before], each_week
        ):
            kind = dice.random()
            if not person.enabled:
                change = Change(week, "enabled", "true")
            elif person.groups and kind < 0.5:
                change = Change(week, "group", min(person.groups))
            elif kind < 0.75:
                change = Change(week, "name", f"{person.name.split()[0]} {dice.choice(LAST)}")
            else:
                change = Change(week, "institution", dice.choice(PLACES)[0])
            people[person.number] = replace(person, before=(change,))
    return people


def _drift(dice: random.Random, people: list[Person]) -> Drift:
    there = [p for p in people if p.left == WEEKS]
    # All of the missing can be created again: the linked and the unconfirmed stay.
    missing = dice.sample([p for p in there if not p.provider and p.status != "UNCONFIRMED"], 150)
    gone = frozenset(p.number for p in missing)
    rest = [p for p in there if p.number not in gone]
    now: dict[int, Person] = {}
    for person in dice.sample(rest, 34):
        now[person.number] = replace(
            person, name=f"{person.name.split()[0]} {dice.choice(LAST)}-{dice.choice(LAST)}"
        )
    for person in dice.sample(rest, 21):
        now[person.number] = replace(
            now.get(person.number, person), institution=dice.choice(PLACES)[0] or "Independent"
        )
    for enabled, count in ((True, 6), (False, 4)):
        for person in dice.sample([p for p in rest if p.enabled is enabled], count):
            now[person.number] = replace(now.get(person.number, person), enabled=not enabled)
    for person in dice.sample([p for p in rest if "beta-testers" not in p.groups], 7):
        now[person.number] = replace(now.get(person.number, person), groups=person.groups | {"beta-testers"})
    for person in dice.sample([p for p in rest if "read-only" in p.groups], 3):
        now[person.number] = replace(now.get(person.number, person), groups=person.groups - {"read-only"})
    newcomers = [
        replace(_person(dice, number, linked=0, unconfirmed=0), joined=WEEKS) for number in range(2022, 2046)
    ]
    return Drift(gone, tuple(now[number] for number in sorted(now)), tuple(newcomers))

"""Up to a million people who do not exist, straight into a pool.

Everybody is determined by number and ``start``, so that two seedings make the same people; subs are the
stand-in's own dice. Their names are letters of many scripts, as real directories are.
"""

from __future__ import annotations

import gc
import hashlib
from typing import Any

from tests.standin.state import Pool, State
from tests.standin.users import User

GIVEN = "Ada Bjørn Chloé Dmitri Elif Farah Giulia Hana İpek João Kateřina Léo María Nguyễn Olu Priya".split()
FAMILY = "Adeyemi Bianchi Çelik Dvořák Eriksson Fernández García Haddad Ito Jensen Kowalski Łukasz".split()
PLACES = "EMBL Heidelberg|University of São Paulo|Karolinska Institutet|東京大学|ETH Zürich|Broad Institute"
STATUSES = ("CONFIRMED",) * 18 + ("FORCE_CHANGE_PASSWORD", "RESET_REQUIRED")
DAY = 86_400.0


FAMILY_ASCII = "adeyemi bianchi celik dvorak eriksson fernandez garcia haddad ito jensen kowalski".split()


def address(number: int) -> str:
    """The e-mail of seeded user ``number``."""
    return f"{FAMILY_ASCII[number % len(FAMILY_ASCII)]}.{number}@uni-{number % 97}.example"


def fill(
    state: State,
    pool: Pool,
    count: int,
    *,
    start: int = 0,
    status: str = "",
    verified: float = 0.95,
    disabled: float = 0.01,
    groups: dict[str, float] | None = None,
) -> dict[str, Any]:
    """Add ``count`` users; ``status`` for all (else mostly CONFIRMED), shares of verified and disabled ones,
    ``groups`` -> share of its members. The custom attribute ``institution`` where the pool has it.
    """
    if count < 1:
        raise ValueError("count must be at least 1")
    missing = [name for name in groups or {} if name not in pool.groups]
    if missing:
        raise ValueError(f"no such group: {', '.join(missing)}")
    places = PLACES.split("|")
    custom = "custom:institution" in pool.schema
    by_email = pool.email_is_username
    now = state.clock.now()
    users: list[User] = []
    keys: list[str] = []
    gc.disable()
    # one draw for all subs: 16 bytes each, made version 4 below
    noise = state.dice.randbytes(16 * count).hex()
    for number in range(start, start + count):
        hexes = noise[32 * (number - start) : 32 * (number - start) + 32]
        sub = f"{hexes[:8]}-{hexes[8:12]}-4{hexes[13:16]}-a{hexes[17:20]}-{hexes[20:]}"
        mail = address(number)
        username = sub if by_email else f"user{number}"
        stands = status or STATUSES[number % 20]
        enabled = (number * 31) % 1000 >= disabled * 1000
        created = now - DAY * (1 + number % 900) - (number * 7919) % 86_400
        place = f'{{"Name":"custom:institution","Value":"{places[number % 6]}"}},' if custom else ""
        is_verified = "true" if (number * 37) % 1000 < verified * 1000 else "false"
        entry = (
            f'{{"Username":"{username}","Attributes":[{{"Name":"email","Value":"{mail}"}},'
            f'{{"Name":"email_verified","Value":"{is_verified}"}},'
            f'{place}{{"Name":"name","Value":"{GIVEN[number % 16]} {FAMILY[number % 12]} {number}"}},'
            f'{{"Name":"sub","Value":"{sub}"}}],"UserCreateDate":{created:.3f},'
            f'"UserLastModifiedDate":{created:.3f},"Enabled":{"true" if enabled else "false"},'
            f'"UserStatus":"{stands}"}}'
        ).encode()
        users.append(User(sub, username, created, entry=entry, status=stands, enabled=enabled))
        keys.append(mail if by_email else username)
    if not pool.users.names.keys().isdisjoint(keys):
        gc.enable()
        raise ValueError("somebody of these is in the pool already; give another start")
    pool.users.seed(users, keys)
    for name, share in (groups or {}).items():
        group = pool.groups[name]
        salt = hashlib.sha256(name.encode()).digest()[0]
        for number, user in enumerate(users):
            if (number * 41 + salt) % 1000 < share * 1000:
                user.groups = {**(user.groups or {}), name: user.created}
                group.members[user.sub] = user.created
        group.order = sorted(group.members.keys() | group.left.keys())
    gc.enable()
    gc.freeze()  # they stay; nobody need look at them again
    return {"users": len(pool.users), "first": keys[0], "last": keys[-1]}

"""Adding attributes to a pool's schema: only what it lacks, and read back.

    read -> what is lacking? -> written down as intended -> add, at most 25 a call, and read -> …

An attribute that is there is left as it is, so a second run adds what the first one could not. A call adds
all of its attributes or none; whose answer was lost, or which somebody else was faster at, the reading tells.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from backups.core import naming
from backups.core.files import Hashing, read_manifest, read_settings
from backups.core.schema import AT_ONCE, Attribute, described
from backups.engine.ports import Account, BackupStore, PortError, Report
from backups.engine.reading import agree, parts_of


@dataclass(frozen=True, slots=True)
class Added:
    """How the pool reads now. Names, in the order in which they were wanted."""

    added: tuple[str, ...]  # were not there, and are
    before: tuple[str, ...]  # were there already
    lacking: tuple[str, ...]  # are not there, as far as the last reading tells
    differs: tuple[str, ...]  # are there, and not as wanted
    refused: str = ""  # why the last call did not add what is lacking
    unread: str = ""  # why the last reading was not possible: of what is lacking nothing is known


def schema_of_backup(store: BackupStore, key: str) -> dict[str, Attribute]:
    """Name -> attribute, as a backup's pool had them; {} where the backup holds no settings of its pool.

    Raises files.Unreadable for settings that do not agree with the manifest, PortError.
    """
    if not {naming.MANIFEST, naming.POOL} <= parts_of(store, key).keys():
        return {}
    manifest, _ = read_manifest(store.open(f"{key}/{naming.MANIFEST}"))
    data = Hashing(store.open(f"{key}/{naming.POOL}"))
    settings = read_settings(data)
    agree(manifest, naming.POOL, data, len(settings))
    pool = settings.get("user_pool")
    return described(pool.get("SchemaAttributes")) if isinstance(pool, dict) else {}


def schema_of_pool(account: Account, pool_id: str) -> dict[str, Attribute]:
    """Name -> attribute, as the pool has them now. Raises PortError."""
    return described(account.describe(pool_id).get("SchemaAttributes"))


def add(
    account: Account,
    pool_id: str,
    report: Report,
    *,
    wanted: Sequence[Attribute],
    begun: Collection[str] | None,
    begin: Callable[[list[str]], None],
) -> Added:
    """``begin`` is told the names that are lacking, once, before the first call that writes, and must last
    when it returns; ``begun``: what an earlier try told it.

    Raises PortError when the first reading fails, and Stop: this call has then written nothing.
    """
    report.phase("Reading the pool's schema")
    there = schema_of_pool(account, pool_id)
    lacking = [one for one in wanted if one.name not in there]
    names = {one.name for one in lacking} if begun is None else set(begun)
    refused = unread = ""
    if lacking:
        report.keep_going()
        if begun is None:
            begin([one.name for one in lacking])
        report.phase("Adding attributes, and reading them back", len(lacking))
    while lacking:
        refused, before = "", len(lacking)
        try:
            account.add_attributes(pool_id, [one.request() for one in lacking[:AT_ONCE]])
        except PortError as error:
            refused = str(error)  # what is read now tells whether it was done
        try:
            there = schema_of_pool(account, pool_id)
        except PortError as error:
            unread = str(error)
            break
        lacking = [one for one in lacking if one.name not in there]
        if len(lacking) == before:
            break
    found = [one.name for one in wanted if one not in lacking]
    return Added(
        added=tuple(name for name in found if name in names),
        before=tuple(name for name in found if name not in names),
        lacking=tuple(one.name for one in lacking),
        differs=tuple(one.name for one in wanted if one.name in there and not one.same(there[one.name])),
        refused=refused if lacking else "",
        unread=unread,
    )

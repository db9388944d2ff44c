"""Reading and writing a backup's files, line by line, in bounded memory.

data.json is cbr's to the letter: ``[``, one ListUsers entry a line, a comma on
a line of its own between two entries, ``]``. Files by other tools may be laid
out in any way; a byte order mark, CRLF and gzip are read as well.
"""

from __future__ import annotations

import hashlib
import hmac
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, fields
from datetime import UTC, datetime
from typing import Any

import ijson
import orjson
from ijson.common import JSONError

from backups.core.snapshot import FORMAT_VERSION, Entry, Group, Manifest, NotAUser, Part, User

MAX_LINE = 4 * 1024 * 1024  # a user has at most 2,048 characters an attribute; more is no user
MAX_DEPTH = 32  # of one entry; AWS's have 3
MAX_UNPACKED = 8 * 1024**3  # bytes that a gzip file may become; 20 million users have less
MAX_SMALL = 512 * 1024 * 1024
MAX_SAID = 4 * 1024 * 1024
"""Bytes of what is said of a backup: manifest.json, checked.json, uploaded.json. Ours have kilobytes."""
MAX_COUNT = 2**63 - 1
LONGEST = {"pool_id": 64, "pool_name": 128, "region": 32, "account": 12, "made_by": 200, "key": 160}
"""Characters of a manifest's texts; AWS's own are shorter."""
_MORE = "more"  # holds what a manifest says beyond our fields; no field of a file
_FIELDS = frozenset(field.name for field in fields(Manifest)) - {_MORE}
_ADDED = ("sealed", "mfa", "key")  # to format 1, later than its first manifests


class Unreadable(ValueError):
    """A file that cannot be trusted as a backup; the message says why, and is fit for a page."""


# --- users -----------------------------------------------------------------------------------


def write_users(entries: Iterable[Entry]) -> Iterator[bytes]:
    """data.json, one entry at a time."""
    first = True
    yield b"[\n"
    for entry in entries:
        yield (b"" if first else b",\n") + orjson.dumps(entry) + b"\n"
        first = False
    yield b"]\n"


def read_users(chunks: Iterable[bytes]) -> Iterator[User]:
    """Every user of a file, as they come. Raises Unreadable, perhaps after some users were given.

    A caller that writes anything must therefore have read to the end first.
    """
    return (user for user, _ in read_entries(chunks))


def read_entries(chunks: Iterable[bytes]) -> Iterator[tuple[User, bytes]]:
    """As ``read_users``, each with the entry as JSON in one line, without a line end."""
    plain = _plain(iter(chunks))
    head, begins = b"", b""
    for chunk in plain:  # until the first entry's line is whole: it shows how the file is laid out
        head += chunk
        begins = head.removeprefix(b"\xef\xbb\xbf").lstrip()
        if len(head) >= MAX_LINE or b"\n" in begins[1:].lstrip():
            break
    if not begins:
        raise Unreadable("the file is empty")
    if not begins.startswith(b"["):
        raise Unreadable("the file is no JSON array of users")
    rest = _chain(begins, plain)
    entries = _by_line(rest) if _one_entry_a_line(begins) else _by_parser(rest)
    for number, (entry, line) in enumerate(entries, 1):
        try:
            yield User.of(entry), line
        except NotAUser as error:
            raise Unreadable(f"entry {number:,}: {error}") from None


def read_lines(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The entries of a data.json as ``write_users`` lays it out, not looked into. Raises Unreadable."""
    awaited = b"["  # what the next line may begin with
    for line in _lines(iter(chunks)):
        begins = line[:1]
        if begins not in awaited or not begins or (begins != b"{" and len(line) > 1):
            raise Unreadable("data.json is not laid out as its format says")
        if begins == b"{":
            yield line
        awaited = _NEXT[begins]
    if awaited:
        raise Unreadable("the list does not end: the file was cut")


_NEXT = {b"[": b"{]", b"{": b",]", b",": b"{", b"]": b""}


def _one_entry_a_line(head: bytes) -> bool:
    first = head[1:].lstrip().partition(b"\n")[0].strip().rstrip(b",")
    if head[1:2] not in (b"\n", b"\r") or not first.startswith(b"{"):
        return False
    try:
        orjson.loads(first)
    except ValueError:
        return False
    return True


def _by_line(chunks: Iterator[bytes]) -> Iterator[tuple[Any, bytes]]:
    # ``comma``: another entry may come; true before the first one too, so ``entries`` tells them apart
    number, entries, opened, closed, comma = 0, 0, False, False, True
    for raw in _lines(chunks):
        number += 1
        line = raw.strip()
        if not line:
            continue
        if closed:
            raise Unreadable(f"line {number:,}: there is more behind the end of the list")
        if not opened:
            opened = True  # read_users saw the bracket
            continue
        if line.startswith(b","):  # cbr's alone on its line; others put it before an entry, or behind
            if comma:
                raise Unreadable(f"line {number:,}: a comma too many")
            comma, line = True, line[1:].lstrip()
        closed = line.endswith(b"]")  # alone on its line, or behind the last entry
        if closed:
            line = line[:-1].rstrip()
        if len(line) > MAX_LINE:
            raise Unreadable(f"line {number:,}: longer than any user can be")
        if line:
            if not comma:
                raise Unreadable(f"line {number:,}: a comma is missing")
            comma = line.endswith(b",")
            entries += 1
            if comma:
                line = line[:-1].rstrip()
            try:
                entry = orjson.loads(line)
            except ValueError:
                raise Unreadable(f"line {number:,}: not JSON; the file is cut or damaged here") from None
            if line.count(b"[") + line.count(b"{") > MAX_DEPTH and _deeper(entry, MAX_DEPTH):
                raise Unreadable(f"line {number:,}: nested deeper than any user can be")
            yield entry, line
        if closed and comma and entries:
            raise Unreadable(f"line {number:,}: the list ends behind a comma; an entry is missing")
    if not closed:
        raise Unreadable(f"the list does not end (after line {number:,}): the file was cut")


def _by_parser(chunks: Iterator[bytes]) -> Iterator[tuple[Any, bytes]]:
    reader = _Reader(chunks)
    try:
        # Numbers as floats where JSON has them so: entries are written again by orjson.
        for entry in _built(ijson.basic_parse(reader, use_float=True, buf_size=64 * 1024)):
            reader.since_entry = 0
            yield entry, orjson.dumps(entry)
    except Unreadable:
        raise
    except (
        JSONError,
        ValueError,
        OverflowError,
        TypeError,
    ) as error:  # TypeError: a number no JSON of ours takes
        # The parser has one exception for every fault; only its words tell a cut from damage.
        if "premature EOF" in str(error):
            raise Unreadable("the list does not end: the file was cut") from None
        raise Unreadable("not JSON; the file is cut or damaged") from None


def _built(events: Iterable[tuple[str, Any]]) -> Iterator[Any]:
    """The entries of a list out of ijson's events. Its own builder names the path at every event."""
    opened: list[Any] = []  # lists and objects that have not ended; the list of all entries is the first
    keys: list[str] = []  # for each of them the key whose value comes next
    for event, given in events:
        value = given
        if event == "map_key":
            keys[-1] = value
            continue
        if event in ("start_map", "start_array"):
            if len(opened) > MAX_DEPTH:
                raise Unreadable("an entry is nested deeper than any user can be")
            opened.append({} if event == "start_map" else [])
            keys.append("")
            continue
        if event in ("end_map", "end_array"):
            value = opened.pop()
            keys.pop()
        if len(opened) == 1:
            yield value
        elif opened and type(opened[-1]) is dict:
            opened[-1][keys[-1]] = value
        elif opened:
            opened[-1].append(value)


def _deeper(value: object, levels: int) -> bool:
    """Whether lists and objects are nested in each other more than so many levels deep."""
    if not isinstance(value, dict | list):
        return False
    inner = value.values() if isinstance(value, dict) else value
    return levels == 0 or any(_deeper(one, levels - 1) for one in inner)


def _lines(chunks: Iterator[bytes]) -> Iterator[bytes]:
    tail = b""
    for chunk in chunks:
        lines = (tail + chunk).split(b"\n")
        tail = lines.pop()
        if len(tail) > MAX_LINE:
            raise Unreadable("a line is longer than any user can be")
        yield from lines
    if tail:
        yield tail


def _plain(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Unpack gzip where the first two bytes say so."""
    first = b""
    for chunk in chunks:
        first += chunk
        if len(first) > 1:
            break
    if first[:2] != b"\x1f\x8b":
        yield first
        yield from chunks
        return
    unpack, total = zlib.decompressobj(wbits=31), 0
    try:
        for chunk in _chain(first, chunks):
            data = unpack.decompress(chunk, MAX_LINE)
            while data:
                total += len(data)
                if total > MAX_UNPACKED:
                    raise Unreadable("the gzip file unpacks to more than any backup has")
                yield data
                data = unpack.decompress(unpack.unconsumed_tail, MAX_LINE)
            if unpack.unused_data:  # a second member would be users that nobody sees
                raise Unreadable("there is more behind the end of the gzip file")
    except zlib.error:
        raise Unreadable("the gzip file is damaged") from None
    if not unpack.eof:
        raise Unreadable("the gzip file was cut")


def _chain(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from rest


class _Reader:
    """What ijson reads from: a file whose bytes come in chunks."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks, self._chunk, self._at = chunks, b"", 0
        self.since_entry = 0  # bytes given since an entry last ended

    def read(self, size: int) -> bytes:
        """Up to ``size`` bytes; none at the end. Raises Unreadable within an entry that does not end."""
        if self.since_entry > MAX_LINE:
            raise Unreadable("an entry is longer than any user can be")
        while self._at >= len(self._chunk):
            chunk = next(self._chunks, None)
            if chunk is None:
                return b""
            self._chunk, self._at = chunk, 0
        piece = self._chunk[self._at : self._at + size]
        self._at += len(piece)
        self.since_entry += len(piece)
        return piece


# --- groups, settings, manifest, check -------------------------------------------------------


def write_groups(groups: Iterable[Group]) -> bytes:
    """groups.json: ``{"groups": [{GroupName, Description, Precedence, RoleArn, Members}]}``."""
    listed = [
        {
            "GroupName": group.name,
            "Description": group.description,
            "Precedence": group.precedence,
            "RoleArn": group.role_arn,
            "Members": sorted(group.members),
        }
        for group in groups
    ]
    return orjson.dumps({"groups": listed}, option=orjson.OPT_INDENT_2) + b"\n"


def read_groups(chunks: Iterable[bytes]) -> list[Group]:
    """Raises Unreadable."""
    document = _object(chunks, "groups.json")
    try:
        return [_group(**group) for group in document["groups"]]
    except (KeyError, TypeError):
        raise Unreadable("groups.json is not as its format says") from None


def _group(
    *,
    GroupName: str,
    Members: list[str],
    Description: str | None = "",
    Precedence: int | None = None,
    RoleArn: str | None = "",
    **unknown: object,
) -> Group:
    group = Group(GroupName, Description or "", Precedence, RoleArn or "", tuple(Members))
    _typed(group)
    if not isinstance(Members, list) or not all(isinstance(member, str) for member in Members):
        raise TypeError
    return group


def write_mfa(entries: Iterable[Entry]) -> Iterator[bytes]:
    """mfa.json, laid out as data.json: ``{Username, UserMFASettingList, PreferredMfaSetting}`` a line."""
    return write_users(entries)


def read_mfa(chunks: Iterable[bytes]) -> Iterator[tuple[str, tuple[str, ...], str]]:
    """(Username, the second factors in use, the preferred one or "") of each. Raises Unreadable."""
    for user in read_users(chunks):
        used, preferred = user.entry.get("UserMFASettingList", []), user.entry.get("PreferredMfaSetting", "")
        if not isinstance(preferred, str) or not _texts(used):
            raise Unreadable("mfa.json is not as its format says")
        yield user.username, tuple(used), preferred


def write_settings(settings: dict[str, Any]) -> bytes:
    """pool.json: each readable setting by name, as AWS gave it, its secrets sealed or left out."""
    return orjson.dumps({"settings": settings}, option=orjson.OPT_INDENT_2) + b"\n"


def read_settings(chunks: Iterable[bytes]) -> dict[str, Any]:
    """Raises Unreadable."""
    settings = _object(chunks, "pool.json").get("settings")
    if not isinstance(settings, dict):
        raise Unreadable("pool.json is not as its format says")
    return settings


def write_manifest(manifest: Manifest, seal: str = "") -> bytes:
    """manifest.json; ``seal`` is the HMAC (hex) over ``signed_bytes``, or ""."""
    document = {**_manifest_fields(manifest), "hmac_sha256": seal}
    return orjson.dumps(document, option=orjson.OPT_INDENT_2) + b"\n"


def signed_bytes(manifest: Manifest) -> bytes:
    """What the HMAC is over: the manifest without it, keys sorted, no spaces."""
    return orjson.dumps(_manifest_fields(manifest), option=orjson.OPT_SORT_KEYS)


def read_manifest(chunks: Iterable[bytes]) -> tuple[Manifest, str]:
    """(manifest, its HMAC or ""). Raises Unreadable, also for a format newer than we know."""
    document = _object([read_small(chunks)], "manifest.json")
    try:
        if document["format"] > FORMAT_VERSION:
            raise Unreadable(f"it was written in format {document['format']}, newer than this program reads")
        seal = str(document.pop("hmac_sha256", ""))
        parts = tuple(Part(**part) for part in document.pop("parts"))
        left_out, sealed = document.pop("left_out", []), document.pop("sealed", [])
        if not _texts(left_out) or not _texts(sealed) or _MORE in document or _deeper(document, MAX_DEPTH):
            raise TypeError
        more = {name: document.pop(name) for name in document.keys() - _FIELDS}
        manifest = Manifest(
            parts=parts, left_out=tuple(left_out), sealed=tuple(sealed), more=more, **document
        )
        _typed(manifest)
        for part in parts:
            _typed(part)
        _sound(manifest)
    except Unreadable:
        raise
    except (KeyError, TypeError, ValueError, OverflowError):
        raise Unreadable("manifest.json is not as its format says") from None
    return manifest, seal


def read_small(chunks: Iterable[bytes], limit: int = MAX_SAID) -> bytes:
    """All of it. Raises Unreadable beyond ``limit`` bytes, before the rest is read: it may be planted."""
    data = bytearray()
    for chunk in chunks:
        data += chunk
        if len(data) > limit:
            raise Unreadable(f"it has more than {limit:,} bytes, and none that we write has")
    return bytes(data)


def write_checked(document: Mapping[str, Any], seal: Callable[[bytes], str]) -> bytes:
    """checked.json with its HMAC, "" where there is no key."""
    sealed = {**document, "hmac_sha256": seal(_checked_bytes(document))}
    return orjson.dumps(sealed, option=orjson.OPT_INDENT_2) + b"\n"


def read_checked(chunks: Iterable[bytes], seal: Callable[[bytes], str]) -> dict[str, Any]:
    """What a checked.json says. Raises Unreadable, also where there is a key and its HMAC does not hold."""
    document = _object([read_small(chunks)], "checked.json")
    told = document.pop("hmac_sha256", "")
    if _deeper(document, MAX_DEPTH):
        raise Unreadable("checked.json is not as its format says")
    said = _checked_bytes(document)
    if seal(said) and not holds(seal, said, str(told)):
        raise Unreadable("checked.json was not written with our key")
    return document


def _checked_bytes(document: Mapping[str, Any]) -> bytes:
    """A label of its own: no manifest's HMAC holds over it."""
    return b"cognito-admin checked v1\n" + orjson.dumps(document, option=orjson.OPT_SORT_KEYS)


def holds(seal: Callable[[bytes], str], data: bytes, told: str) -> bool:
    """Whether ``told`` is the HMAC that ``seal`` gives over ``data``; never without a key."""
    made = seal(data)
    return bool(made) and hmac.compare_digest(made.encode(), told.encode())


def hmac_of(key: bytes, data: bytes) -> str:
    return hmac.new(key, data, hashlib.sha256).hexdigest()


class Hashing:
    """Passes chunks on and keeps their size and sha256."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks, self._sha, self.size = chunks, hashlib.sha256(), 0

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self._chunks:
            self._sha.update(chunk)
            self.size += len(chunk)
            yield chunk

    @property
    def sha256(self) -> str:
        return self._sha.hexdigest()


def _typed(value: Group | Manifest | Part) -> None:
    """Whoever can put an object can plant one: plain fields hold what they are declared to hold."""
    kinds: dict[Any, tuple[type, ...]] = {"str": (str,), "int": (int,), "int | None": (int, type(None))}
    for declared in fields(value):
        if type(getattr(value, declared.name)) not in kinds.get(declared.type, (list, tuple, dict)):
            raise TypeError


def _sound(manifest: Manifest) -> None:
    """Raises ValueError for what no backup has: texts and counts beyond all bounds, times without a zone."""
    if not isinstance(manifest.unread, dict) or not _texts([*manifest.unread.values()]):
        raise ValueError
    factors = manifest.mfa
    if not isinstance(factors, dict) or type(factors.get("why", "")) is not str:
        raise ValueError
    counts = [manifest.users, manifest.groups, manifest.memberships]
    counts += [value for name, value in factors.items() if name != "why"]
    counts += [number for part in manifest.parts for number in (part.size, part.count)]
    if not all(type(count) is int and 0 <= count <= MAX_COUNT for count in counts):
        raise ValueError
    if any(len(getattr(manifest, name)) > most for name, most in LONGEST.items()):
        raise ValueError
    for moment in map(datetime.fromisoformat, (manifest.started, manifest.finished)):
        if moment.tzinfo is None:
            raise ValueError
        moment.astimezone(UTC)  # OverflowError before the year 1 and after 9999: no page could say it
    if b"\\u0000" in orjson.dumps(_manifest_fields(manifest)):  # NUL, which is in no text of AWS's
        raise ValueError


def _manifest_fields(manifest: Manifest) -> dict[str, Any]:
    """As it stands in the file. What an older version did not know is not there where it says nothing, or
    the HMAC of its manifests would not hold; what a newer one added stays as it came.
    """
    said = asdict(manifest)
    more = said.pop(_MORE)
    for name in _ADDED:
        if not said[name]:
            del said[name]
    return {**said, **more}


def _texts(value: object) -> bool:
    """Whether this is a list of texts."""
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def _object(chunks: Iterable[bytes], name: str) -> dict[str, Any]:
    data = bytearray()
    for chunk in chunks:
        data += chunk
        if len(data) > MAX_SMALL:
            raise Unreadable(f"{name} is larger than any that we write")
    try:
        document = orjson.loads(data)
    except ValueError:
        raise Unreadable(f"{name} is no JSON; it is cut or damaged") from None
    if not isinstance(document, dict):
        raise Unreadable(f"{name} is not as its format says")
    return document

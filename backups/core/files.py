"""Reading and writing a backup's files, line by line, in bounded memory.

data.json is cbr's to the letter: ``[``, one ListUsers entry a line, a comma on
a line of its own between two entries, ``]``. Files by other tools may be laid
out in any way; a byte order mark, CRLF and gzip are read as well.
"""

from __future__ import annotations

import hashlib
import hmac
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import asdict, fields
from typing import Any

import ijson
import orjson
from ijson.common import JSONError

from backups.core.snapshot import FORMAT_VERSION, Entry, Group, Manifest, NotAUser, Part, User

MAX_LINE = 4 * 1024 * 1024  # a user has at most 2,048 characters an attribute; more is no user
MAX_SMALL = 512 * 1024 * 1024


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
    for number, entry in enumerate(entries, 1):
        try:
            yield User.of(entry)
        except NotAUser as error:
            raise Unreadable(f"entry {number:,}: {error}") from None


def _one_entry_a_line(head: bytes) -> bool:
    first = head[1:].lstrip().partition(b"\n")[0].strip().rstrip(b",")
    if head[1:2] not in (b"\n", b"\r") or not first.startswith(b"{"):
        return False
    try:
        orjson.loads(first)
    except ValueError:
        return False
    return True


def _by_line(chunks: Iterator[bytes]) -> Iterator[Any]:
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
        if line:
            if not comma:
                raise Unreadable(f"line {number:,}: a comma is missing")
            comma = line.endswith(b",")
            entries += 1
            try:
                yield orjson.loads(line[:-1] if comma else line)
            except ValueError:
                raise Unreadable(f"line {number:,}: not JSON; the file is cut or damaged here") from None
        if closed and comma and entries:
            raise Unreadable(f"line {number:,}: the list ends behind a comma; an entry is missing")
    if not closed:
        raise Unreadable(f"the list does not end (after line {number:,}): the file was cut")


def _by_parser(chunks: Iterator[bytes]) -> Iterator[Any]:
    try:
        # Numbers as floats where JSON has them so: entries are written again by orjson.
        yield from ijson.items(_Reader(chunks), "item", use_float=True, buf_size=64 * 1024)
    except (JSONError, UnicodeDecodeError) as error:
        # The parser has one exception for every fault; only its words tell a cut from damage.
        if "premature EOF" in str(error):
            raise Unreadable("the list does not end: the file was cut") from None
        raise Unreadable("not JSON; the file is cut or damaged") from None


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
    unpack = zlib.decompressobj(wbits=31)
    try:
        for chunk in _chain(first, chunks):
            data = unpack.decompress(chunk, MAX_LINE)
            while data:
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
        self._chunks, self._tail = chunks, b""

    def read(self, size: int) -> bytes:
        while len(self._tail) < size:
            chunk = next(self._chunks, None)
            if chunk is None:
                break
            self._tail += chunk
        piece, self._tail = self._tail[:size], self._tail[size:]
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


def write_settings(settings: dict[str, Any]) -> bytes:
    """pool.json: each readable setting by name, as AWS gave it."""
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
    document = _object(chunks, "manifest.json")
    try:
        if document["format"] > FORMAT_VERSION:
            raise Unreadable(f"it was written in format {document['format']}, newer than this program reads")
        seal = str(document.pop("hmac_sha256", ""))
        parts = tuple(Part(**part) for part in document.pop("parts"))
        left_out = tuple(document.pop("left_out", ()))
        manifest = Manifest(parts=parts, left_out=left_out, **document)
        _typed(manifest)
        for part in parts:
            _typed(part)
        if not isinstance(manifest.unread, dict):
            raise TypeError
    except (KeyError, TypeError):
        raise Unreadable("manifest.json is not as its format says") from None
    return manifest, seal


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


def _manifest_fields(manifest: Manifest) -> dict[str, Any]:
    fields = asdict(manifest)
    fields["parts"] = [asdict(part) for part in manifest.parts]
    fields["left_out"] = list(manifest.left_out)
    fields["unread"] = dict(manifest.unread)
    return fields


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

"""Reading what anybody may have written, and trusting none of it before its end was seen."""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backups.core import files
from backups.core.files import Unreadable, read_users, write_users
from backups.core.snapshot import Entry, Group, User
from tests.build import a_file, a_manifest, an_entry, laws, sample, users_of

CBR = ("cbr-users.json", "cbr-users-cognitolocal.json")
PEOPLE = [an_entry("ada@uni.example", name='Ä "Q" \\ 日本 🙂'), an_entry("bob@uni.example"), an_entry("")]
FILE = a_file(PEOPLE)
ONE_LINE = json.dumps(PEOPLE).encode()


def packed(data: bytes) -> bytes:
    return gzip.compress(data, mtime=0)


def cut_into(data: bytes, size: int) -> Iterator[bytes]:
    return (data[at : at + size] for at in range(0, len(data), size))


def entries(data: bytes) -> list[Entry]:
    return [user.entry for user in users_of(data)]


# --- layouts ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [*CBR, "mifi-users.json"])
def test_what_other_tools_wrote_is_written_again_byte_for_byte(name: str) -> None:
    assert a_file(entries(sample(name))) == sample(name)


ODD = [
    lambda data: b"\xef\xbb\xbf" + data,
    lambda data: data.replace(b"\n", b"\r\n"),
    lambda data: json.dumps(json.loads(data)).encode(),
    lambda data: b"\xef\xbb\xbf" + json.dumps(json.loads(data), indent=2).replace("\n", "\r\n").encode(),
    packed,
]


@pytest.mark.parametrize("lay_out", ODD, ids=["bom", "crlf", "one line", "windows", "gzip"])
@pytest.mark.parametrize("name", [*CBR, "mifi-users.json"])
def test_what_other_tools_wrote_is_read_also_after_an_editor_had_it(
    name: str, lay_out: Callable[[bytes], bytes]
) -> None:
    assert entries(lay_out(sample(name))) == entries(sample(name)) != []


def test_a_backup_of_nobody_is_a_whole_file() -> None:
    assert a_file([]) == b"[\n]\n"
    assert entries(b"[\n]\n") == entries(b"[]") == []


@laws(60)
@given(st.lists(st.sampled_from(PEOPLE), max_size=4), st.integers(1, 400))
def test_the_lines_of_our_own_layout_are_its_entries(people: list[Entry], size: int) -> None:
    lines = files.read_lines(cut_into(a_file(people), size))
    assert [orjson.loads(line) for line in lines] == people


def test_lines_of_our_own_layout_are_seen_to_their_end() -> None:
    for end in range(len(FILE) - 1):  # the line end of the last line is no loss
        with pytest.raises(Unreadable, match=r"was cut|not laid out"):
            list(files.read_lines([FILE[:end]]))


@pytest.mark.parametrize(
    "data",
    [
        b"{}\n",
        b"[\n[\n",
        b"[\n]\n]\n",
        b"[\n{}\n{}\n]\n",
        b"[\n{}\n,\n]\n",
        b"[\n\n]\n",
        b"[ \n]\n",
        ONE_LINE,
    ],
)
def test_lines_of_another_layout_are_refused(data: bytes) -> None:
    with pytest.raises(Unreadable, match="not laid out"):
        list(files.read_lines([data]))


@pytest.mark.parametrize(
    "lay_out",
    [
        lambda data: data,
        lambda data: b"\xef\xbb\xbf" + data,
        lambda data: data.replace(b"\n", b"\r\n"),
        lambda data: data.replace(b"\n", b"\r"),
        lambda data: b"\n\n \n" + data.replace(b"\n", b"\n\n") + b"\n \n",
        lambda data: data.replace(b"\n,\n", b",\n"),  # the comma behind its entry
        lambda data: data.replace(b"\n,\n", b"\n,"),  # the comma before its entry
        lambda data: data.rstrip(b"]\n") + b"]",  # the bracket behind the last entry
        lambda data: data.rstrip(b"\n"),
        lambda data: ONE_LINE,
        lambda data: json.dumps(PEOPLE, indent=2).encode(),
        lambda data: json.dumps(PEOPLE, indent=2, ensure_ascii=False).replace("\n", "\r\n").encode(),
        lambda data: b"\xef\xbb\xbf" + json.dumps(PEOPLE, indent="\t").encode(),
        packed,
        lambda data: packed(ONE_LINE),
    ],
)
@pytest.mark.parametrize("size", [1, 7, 1 << 20])
def test_every_layout_gives_the_same_users(lay_out: Callable[[bytes], bytes], size: int) -> None:
    read = [user.entry for user in read_users(cut_into(lay_out(FILE), size))]
    assert read == PEOPLE


@laws(60)
@given(data=st.data())
def test_chunks_are_nobodys_business(data: st.DataObject) -> None:
    whole = data.draw(
        st.sampled_from([FILE, ONE_LINE, b"\n\xef\xbb\xbf" + FILE, b"\xef\xbb\xbf\n\n" + FILE, packed(FILE)])
    )
    borders = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=12)))  # twice: an empty chunk
    chunks = [whole[a:b] for a, b in zip([0, *borders], [*borders, len(whole)], strict=True)]

    def outcome(pieces: list[bytes]) -> object:
        try:
            return [user.entry for user in read_users(pieces)]
        except Unreadable as error:
            return str(error)

    assert outcome(chunks) == outcome([whole])


plain = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=8)
values = plain | st.lists(plain, max_size=3) | st.dictionaries(st.text(max_size=4), plain, max_size=2)
people = st.lists(
    st.builds(
        lambda name, more: {**more, "Username": name, "Attributes": [{"Name": "name", "Value": name}]},
        st.text(min_size=1, max_size=12).filter(lambda name: "\0" not in name),
        st.dictionaries(st.text(max_size=6).filter(lambda key: key != "Enabled"), values, max_size=3),
    ),
    max_size=5,
)


@laws(40)
@given(people=people, size=st.integers(1, 40))
def test_whatever_was_written_is_read_back(people: list[Entry], size: int) -> None:
    assert [user.entry for user in read_users(cut_into(a_file(people), size))] == people
    assert entries(json.dumps(people).encode()) == people


# --- damage ----------------------------------------------------------------------------------


@pytest.mark.parametrize("whole", [a_file(PEOPLE[:2]), json.dumps(PEOPLE[:2], indent=1).encode()])
def test_a_file_cut_anywhere_is_never_taken_for_whole(whole: bytes) -> None:
    for length in range(len(whole.rstrip())):
        with pytest.raises(Unreadable):
            users_of(whole[:length])
    assert entries(whole.rstrip()) == PEOPLE[:2]


def test_a_cut_gzip_file_is_never_taken_for_whole() -> None:
    whole = packed(FILE)
    for length in range(len(whole)):
        with pytest.raises(Unreadable):
            users_of(whole[:length])


@laws(150)
@given(data=st.data())
def test_bytes_that_were_changed_are_refused_or_are_still_json(data: st.DataObject) -> None:
    whole = bytearray(data.draw(st.sampled_from([FILE, ONE_LINE])))
    whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    try:
        read = entries(bytes(whole))
    except Unreadable:
        return
    # yajl takes these two for white space; inside a text it refuses them
    plain = bytes(whole).replace(b"\x0b", b" ").replace(b"\x0c", b" ")
    assert read == json.loads(plain.decode("utf-8-sig"))


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "empty"),
        (b" \r\n\t ", "empty"),
        (b"\xef\xbb\xbf", "empty"),
        (packed(b""), "empty"),
        (b'{"Users": []}', "no JSON array"),
        (b"null", "no JSON array"),
        (b"<html>", "no JSON array"),
        ("[]".encode("utf-16"), "no JSON array"),
        (b"[", "the file was cut"),
        (b"[\n", "the file was cut"),
        (FILE.removesuffix(b"]\n"), "the file was cut"),
        (ONE_LINE.removesuffix(b"]"), "the file was cut"),
        (FILE[: len(FILE) // 2], "cut or damaged"),
        (FILE.replace(b"\n]\n", b"\n,\n]\n"), "ends behind a comma"),
        (FILE.replace(b"\n]\n", b",]\n"), "ends behind a comma"),
        (ONE_LINE.removesuffix(b"]") + b",]", "cut or damaged"),
        (b"[,]", "cut or damaged"),
        (FILE.replace(b"\n,\n", b"\n,\n,\n", 1), "a comma too many"),
        (FILE.replace(b"\n,\n", b",\n,\n", 1), "a comma too many"),
        (FILE.replace(b"\n,\n", b"\n", 1), "a comma is missing"),
        (FILE + FILE, "more behind the end"),
        (FILE + b"\x00", "more behind the end"),
        (ONE_LINE + b"[]", "cut or damaged"),
        (packed(FILE) + packed(FILE), "more behind the end of the gzip"),
        (packed(FILE) + b"\n", "more behind the end of the gzip"),
        (packed(FILE)[:40] + b"\xff" * 40, "gzip file is damaged"),
        (b"\x1f\x8b", "gzip file was cut"),
        (b'[\n{"Username":"a"}\n,\n{"Username":""}\n]\n', "entry 2: an entry has no Username"),
        (b'[{"Username":"a"},[]]', "entry 2: an entry is a list"),
        (b'[{"a":"\xff"}]', "cut or damaged"),
        (sample("mifi-groups.json"), "entry 1: an entry has no Username"),
    ],
    ids=lambda value: value if isinstance(value, str) else "bytes",
)
def test_damage_says_what_it_is(data: bytes, why: str) -> None:
    for size in (1, 5, 1 << 20):
        with pytest.raises(Unreadable, match=why):
            list(read_users(cut_into(data, size)))


def test_a_line_longer_than_any_user_is_not_gathered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "MAX_LINE", 1000)
    endless = (b"x" * 100 for _ in range(1_000_000))
    with pytest.raises(Unreadable, match="longer than any user"):
        list(read_users(iter([b'[\n{"Username":"a"}\n,\n', *(next(endless) for _ in range(20))])))


def test_a_small_gzip_that_unpacks_to_much_is_read_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "MAX_LINE", 4096)
    many = a_file(an_entry(f"{number}@uni.example") for number in range(500))
    assert len(users_of(packed(many))) == 500


# --- groups, settings, manifest --------------------------------------------------------------


def test_groups_come_back_as_they_were() -> None:
    groups = [Group("admins", "who may", 0, "arn:aws:iam::1:role/adm", ("a", "b")), Group("empty")]
    assert files.read_groups([files.write_groups(groups)]) == groups
    bare = b'{"groups": [{"GroupName": "g", "Members": [], "Description": null, "NewIn2031": 1}]}'
    assert files.read_groups([bare]) == [Group("g")]


@pytest.mark.parametrize(
    "document",
    [
        {},
        [],
        {"groups": None},
        {"groups": {"a": 1}},
        {"groups": [None]},
        {"groups": [{"GroupName": "a"}]},
        {"groups": [{"Members": []}]},
        {"groups": [{"GroupName": None, "Members": []}]},
        {"groups": [{"GroupName": "a", "Members": "abc"}]},
        {"groups": [{"GroupName": "a", "Members": [1]}]},
        {"groups": [{"GroupName": "a", "Members": None}]},
        {"groups": [{"GroupName": "a", "Members": [], "Precedence": "1"}]},
        {"groups": [{"GroupName": "a", "Members": [], "Description": 7}]},
    ],
)
def test_groups_of_another_shape_are_refused(document: object) -> None:
    with pytest.raises(Unreadable, match=r"groups\.json is not as its format says"):
        files.read_groups([orjson.dumps(document)])


def test_settings_come_back_as_they_were() -> None:
    settings_: dict[str, Any] = {"user_pool": {"Policies": {}}, "mfa": None}
    assert files.read_settings([files.write_settings(settings_)]) == settings_
    for damage in (b'{"settings": []}', b"{}", b"7"):
        with pytest.raises(Unreadable, match="not as its format says"):
            files.read_settings([damage])
    with pytest.raises(Unreadable, match="cut or damaged"):
        files.read_settings([b'{"settings": '])


def test_a_small_part_that_is_huge_is_not_gathered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "MAX_SMALL", 10)
    with pytest.raises(Unreadable, match="larger than any"):
        files.read_settings([b" " * 8, b" " * 8])


def test_a_manifest_comes_back_with_its_seal() -> None:
    manifest = a_manifest()
    data = files.write_manifest(manifest, "ab" * 32)
    assert files.read_manifest(cut_into(data, 3)) == (manifest, "ab" * 32)
    assert files.read_manifest([files.write_manifest(manifest)]) == (manifest, "")


def test_the_seal_is_over_everything_that_a_manifest_says() -> None:
    manifest = a_manifest()
    signed = files.signed_bytes(manifest)
    assert files.signed_bytes(files.read_manifest([files.write_manifest(manifest)])[0]) == signed
    shaped = {"parts", "unread", "more"}
    others = [a_manifest(**{name: "x"}) for name in asdict(manifest) if name not in shaped]
    others += [replace(manifest, parts=manifest.parts[:1]), replace(manifest, unread={})]
    others += [replace(manifest, more={"invented": 1})]
    assert signed not in {files.signed_bytes(other) for other in others}
    assert files.hmac_of(b"k", signed) != files.hmac_of(b"l", signed)


def test_a_manifest_of_the_first_version_keeps_its_seal_for_ever() -> None:
    """As it was written before ``sealed`` and ``mfa`` came: byte for byte what its HMAC is over."""
    first = {
        "pool_id": "eu-west-1_Fake00001",
        "pool_name": "team-production",
        "region": "eu-west-1",
        "account": "123456789012",
        "started": "2026-11-22T01:00:00.000Z",
        "finished": "2026-11-22T01:00:09.000Z",
        "made_by": "iva",
        "trigger": "person",
        "tool": "cognito-admin 0.1.0",
        "users": 2,
        "groups": 1,
        "memberships": 1,
        "parts": [{"name": "data.json", "size": 10, "sha256": "a" * 64, "count": 2}],
        "unread": {"mfa": "denied"},
        "left_out": ["secrets of app clients", "secrets of identity providers"],
        "format": 1,
    }
    signed = json.dumps(first, sort_keys=True, separators=(",", ":")).encode()
    manifest, seal = files.read_manifest([orjson.dumps({**first, "hmac_sha256": "ab" * 32})])
    assert files.signed_bytes(manifest) == signed and seal == "ab" * 32
    assert (manifest.sealed, dict(manifest.mfa), dict(manifest.more)) == ((), {}, {})


def test_what_a_later_version_adds_is_kept_and_stays_under_the_seal() -> None:
    manifest, _ = files.read_manifest([changed(invented={"in": [2031]})])
    assert manifest.more == {"invented": {"in": [2031]}}
    assert files.read_manifest([files.write_manifest(manifest)])[0] == manifest
    assert b'"invented":{"in":[2031]}' in files.signed_bytes(manifest)


def test_what_is_sealed_and_read_of_second_factors_is_in_the_manifest() -> None:
    manifest = a_manifest(
        sealed=("/settings/clients/0/ClientSecret",), mfa={"read": 2, "billed_active": 2, "why": "so"}
    )
    written = files.write_manifest(manifest)
    assert files.read_manifest([written]) == (manifest, "")
    assert orjson.loads(written)["sealed"] == ["/settings/clients/0/ClientSecret"]
    assert "sealed" not in orjson.loads(files.write_manifest(a_manifest()))


def changed(**values: Any) -> bytes:
    return orjson.dumps({**orjson.loads(files.write_manifest(a_manifest())), **values})


def test_a_newer_format_is_refused_by_its_number() -> None:
    with pytest.raises(Unreadable, match="format 2, newer"):
        files.read_manifest([changed(format=2)])


@pytest.mark.parametrize(
    "data",
    [
        b"{}",
        changed(format="1"),
        changed(users="2"),
        changed(users=True),
        changed(users=2.5),
        changed(pool_name=None),
        changed(finished=7),
        changed(parts=None),
        changed(parts=[{"name": "data.json"}]),
        changed(parts=[{"name": "data.json", "size": "1", "sha256": "", "count": 1}]),
        changed(parts=[{"name": "data.json", "size": 1, "sha256": "", "count": 1, "more": 1}]),
        changed(left_out=None),
        changed(unread=None),
        changed(unread=["mfa"]),
        changed(left_out="secrets"),
        changed(left_out=[7]),
        changed(sealed=None),
        changed(sealed=[{}]),
        changed(unread={"mfa": 7}),
        changed(mfa=7),
        changed(mfa={"read": 1.5}),
        changed(mfa={"read": True}),
        changed(mfa={"read": "1"}),
        changed(mfa={"billed_active": -1}),
        changed(mfa={"why": 1}),
        changed(more={}),
        changed(invented=orjson.loads(b"[" * 40 + b"]" * 40)),
        changed(made_by="x" * 201),
        changed(made_by="a\0b"),
        changed(unread={"mfa": "\0"}),
        changed(users=2**63),
        changed(groups=-1),
        changed(started="yesterday"),
        changed(finished="2026-11-22T01:00:09"),
        changed(started="0001-01-01T00:00:00+14:00"),
        changed(finished="9999-12-31T23:59:59-01:00"),
    ],
)
def test_a_manifest_of_another_shape_is_refused(data: bytes) -> None:
    with pytest.raises(Unreadable, match=r"manifest\.json is not as its format says"):
        files.read_manifest([data])


def test_a_small_file_is_read_whole() -> None:
    assert files.read_small([b"ab", b"", b"cd"], 4) == b"abcd"
    assert files.read_small([]) == b""


@pytest.mark.parametrize("read", [files.read_small, files.read_manifest])
def test_what_is_too_large_for_a_small_file_is_not_read_to_its_end(
    read: Callable[[Iterator[bytes]], object],
) -> None:
    given = 0

    def planted() -> Iterator[bytes]:
        nonlocal given
        while True:
            given += 1
            yield b" " * 1024 * 1024

    with pytest.raises(Unreadable, match="more than 4,194,304 bytes"):
        read(planted())
    assert given == 5


FACTORS: list[Entry] = [
    {"Username": "ada", "UserMFASettingList": ["SMS_MFA", "EMAIL_OTP"], "PreferredMfaSetting": "SMS_MFA"},
    {"Username": "bob", "UserMFASettingList": ["SOFTWARE_TOKEN_MFA"]},
    {"Username": "eve"},
]


def test_second_factors_there_and_back() -> None:
    data = b"".join(files.write_mfa(FACTORS))
    assert json.loads(data) == FACTORS
    assert list(files.read_mfa(cut_into(data, 7))) == [
        ("ada", ("SMS_MFA", "EMAIL_OTP"), "SMS_MFA"),
        ("bob", ("SOFTWARE_TOKEN_MFA",), ""),
        ("eve", (), ""),
    ]


@pytest.mark.parametrize(
    "wrong", [{"UserMFASettingList": "SMS_MFA"}, {"UserMFASettingList": [7]}, {"PreferredMfaSetting": 7}]
)
def test_second_factors_of_another_shape_are_refused(wrong: Entry) -> None:
    with pytest.raises(Unreadable, match=r"mfa\.json is not as its format says"):
        list(files.read_mfa(files.write_mfa([{"Username": "ada", **wrong}])))


def test_hashing_passes_on_what_it_counts() -> None:
    hashing = files.Hashing(cut_into(FILE, 11))
    assert b"".join(hashing) == FILE
    assert (hashing.size, hashing.sha256) == (len(FILE), hashlib.sha256(FILE).hexdigest())


def test_users_are_given_as_they_come() -> None:
    def chunks() -> Iterator[bytes]:
        yield from cut_into(a_file(PEOPLE), 10)
        raise AssertionError("read to the end before the first user was given")

    assert isinstance(next(read_users(chunks())), User)
    assert next(iter(write_users(iter(PEOPLE)))) == b"[\n"


# --- bombs -----------------------------------------------------------------------------------

ENTRY = orjson.dumps(PEOPLE[0])
NESTED = b'{"Username": "a", "x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"
LONG = b'{"Username": "a", "x": "' + b"x" * 3 * files.MAX_LINE + b'"}'


@pytest.mark.parametrize("before", [b"[\n" + ENTRY + b",\n", b"[" + ENTRY + b","])
@pytest.mark.parametrize("entry", [NESTED, LONG], ids=["deep", "long"])
@pytest.mark.parametrize("wrap", [lambda data: data, packed], ids=["plain", "gzip"])
def test_an_entry_beyond_all_bounds_is_refused(
    before: bytes, entry: bytes, wrap: Callable[[bytes], bytes]
) -> None:
    with pytest.raises(Unreadable):
        for _ in read_users(cut_into(wrap(before + entry + b"\n]"), 65_536)):
            pass


@pytest.mark.parametrize("around", [b"[\n%s\n]", b"[%s]"], ids=["line", "parser"])
@pytest.mark.parametrize(("deep", "read"), [(files.MAX_DEPTH - 1, True), (files.MAX_DEPTH, False)])
def test_both_ways_to_read_have_the_same_depth(around: bytes, deep: int, read: bool) -> None:
    data = around % (b'{"Username": "a", "x": ' + b"[" * deep + b"]" * deep + b"}")
    if read:
        assert len(entries(data)) == 1
    else:
        with pytest.raises(Unreadable, match="nested deeper"):
            entries(data)


def test_a_long_string_that_never_ends_is_not_waited_for() -> None:
    def endless() -> Iterator[bytes]:
        yield b'[{"Username": "'
        while True:
            yield b"x" * 65_536

    with pytest.raises(Unreadable, match="longer than any user"):
        list(read_users(endless()))


def test_a_gzip_file_unpacks_to_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "MAX_UNPACKED", len(FILE))
    assert entries(packed(FILE)) == PEOPLE
    monkeypatch.setattr(files, "MAX_UNPACKED", len(FILE) - 1)
    with pytest.raises(Unreadable, match="unpacks to more"):
        entries(packed(FILE))


def test_a_line_too_long_is_refused_also_where_it_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "MAX_LINE", 100)
    data = b'[\n{"Username": "a"}\n,\n{"Username": "b", "x": "' + b"x" * 200 + b'"}\n]\n'
    with pytest.raises(files.Unreadable, match="line 4: longer than any user can be"):
        list(files.read_users([data]))

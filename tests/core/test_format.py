"""docs/format.md is enough to write a reader from: this is one, and it knows nothing of ours.

``Reader`` stands on the standard library and one cipher. What it reads was written by the engine.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import hmac
import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from pytest_django import Settings

from backups import seal
from backups.core import naming
from backups.core.files import read_users
from backups.engine.check import check
from tests.build import KEY, a_backup
from tests.fakes import FakePool, FakeReport, FakeStore
from tests.servers import ROOT

PAGE = (ROOT / "docs" / "format.md").read_text()
BLOCKS = re.findall(r"^```\n(.*?)\n```$", PAGE, re.DOTALL | re.MULTILINE)
HUSH = "hush-hush “ä”"


class Damaged(Exception):
    """What this reader says of a backup that it does not trust."""


class Reader:
    """One backup: ``get`` gives the bytes of an object by its name, None where there is none."""

    def __init__(self, key: str, get: Callable[[str], bytes | None], seal_key: str) -> None:
        self.get, self.seal_key = get, seal_key.encode()
        self.key = key.removeprefix("_cognito-admin/kept/")
        raw = get("manifest.json")
        if raw is None:
            raise Damaged("no manifest")
        self.manifest: dict[str, Any] = json.loads(raw)
        if self.manifest["format"] != 1:
            raise Damaged("a format of another day")
        told = self.manifest.pop("hmac_sha256")
        said = json.dumps(self.manifest, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
        key_of_hmac = b"cognito-admin manifest v1\n" + self.seal_key
        sealed = hmac.compare_digest(hmac.new(key_of_hmac, said, hashlib.sha256).hexdigest(), told)
        self.ours = sealed and self.manifest.get("key", self.key) == self.key
        self.parts = {part["name"]: part for part in self.manifest["parts"]}
        self.checked = False
        for name in ("checked.json", *(f"checked-{number}.json" for number in range(2, 10))):
            checked = json.loads(get(name) or b"{}")
            told = checked.pop("hmac_sha256", "")
            said = json.dumps(checked, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
            made = hmac.new(key_of_hmac, b"cognito-admin checked v1\n" + said, hashlib.sha256).hexdigest()
            whole = checked.get("manifest_sha256") == hashlib.sha256(raw).hexdigest()
            if hmac.compare_digest(made, told) and whole and checked["key"] == key:
                self.checked = True

    def part(self, name: str) -> Any:
        data = self.get(name) or b""
        told = self.parts[name]
        if (len(data), hashlib.sha256(data).hexdigest()) != (told["size"], told["sha256"]):
            raise Damaged(name)
        document = json.loads(data)
        entries = document if isinstance(document, list) else next(iter(document.values()))
        if len(entries) != told["count"]:
            raise Damaged(f"the count of {name}")
        return entries

    def settings(self) -> Any:
        """With its secrets in clear."""
        settings = self.part("pool.json")
        for place in self.manifest.get("sealed", []):
            _, top, *tokens = [token.replace("~1", "/").replace("~0", "~") for token in place.split("/")]
            assert top == "settings"
            *way, last = [int(token) if token.isdecimal() else token for token in tokens]
            inner = settings
            for token in way:
                inner = inner[token]
            inner[last] = self.opened(inner[last]["$sealed"], place)
        return settings

    def opened(self, sealed: str, place: str) -> str:
        version, _, text = sealed.partition(":")
        assert version == "v1"
        data = base64.b64decode(text)
        said = ["cognito-admin secrets v1", self.key, self.manifest["pool_id"], place]
        opened = AESGCM(derived(self.seal_key)).decrypt(data[:12], data[12:], "\0".join(said).encode())
        return opened.decode()


def derived(seal_key: bytes) -> bytes:
    """RFC 5869 in its two steps; one block is all that 32 bytes take."""
    extracted = hmac.new(bytes(32), seal_key, hashlib.sha256).digest()
    return hmac.new(extracted, b"cognito-admin secrets v1\x01", hashlib.sha256).digest()


@pytest.fixture
def store(settings: Settings) -> FakeStore:
    """A backup by the engine, with everything that one can have, read back."""
    settings.SEAL_KEY = "a key of this test alone, ä"
    pool, store = FakePool(), FakeStore()
    for number in range(70):
        entry = pool.add(
            f"person{number}@uni.example", groups=["admins", "beta"][: number % 3], name="Ä \x01 日本"
        )
        if number % 7 == 0:
            pool.factors[entry["Username"]] = ("SOFTWARE_TOKEN_MFA", "SMS_MFA")
    pool.setting_values |= {
        "clients": [{"ClientId": "a"}, {"ClientId": "b", "ClientSecret": HUSH}],
        "odd/~": {"private_key": HUSH},
    }
    pool.setting_errors["log_delivery"] = "Could not read it: AWS said “No”.\n\x7f\x1f"
    how: dict[str, Any] = {"seal": seal.seal, "seal_secret": seal.sealer(KEY, pool.pool_id)}
    made = a_backup(store, pool, mfa_policy="on", **how)
    assert len(made.manifest.sealed) == 2
    assert check(store, KEY, FakeReport(), store.clock, tool="tests", seal=seal.seal).checked
    return store


def reader(store: FakeStore, key: str = KEY, seal_key: str = "a key of this test alone, ä") -> Reader:
    def get(name: str) -> bytes | None:
        return store.read(f"{key}/{name}") if f"{key}/{name}" in store.keys else None

    return Reader(key, get, seal_key)


def test_a_reader_written_from_the_page_reads_all_of_it(store: FakeStore) -> None:
    found = reader(store)
    assert found.ours and found.checked
    assert (found.manifest["users"], found.manifest["groups"]) == (70, 2)
    users, groups = found.part("data.json"), found.part("groups.json")
    assert len({user["Username"] for user in users}) == 70
    assert sum(len(group["Members"]) for group in groups) == found.manifest["memberships"] > 0
    assert {name for group in groups for name in group["Members"]} <= {user["Username"] for user in users}
    factors = found.part("mfa.json")
    assert len(factors) == 10 and factors[0]["PreferredMfaSetting"] == "SOFTWARE_TOKEN_MFA"
    assert found.manifest["mfa"] == {"read": 70, "billed_active": 70}
    assert list(found.manifest["unread"]) == ["log_delivery"]
    settings = found.settings()
    assert settings["clients"][1]["ClientSecret"] == settings["odd/~"]["private_key"] == HUSH


def test_it_is_written_in_the_order_of_the_page(store: FakeStore) -> None:
    named = re.findall(r"^    (\w+\.json) ", BLOCKS[0], re.MULTILINE)
    assert [f"{KEY}/{name}" for name in named] == list(store.objects)
    assert {*named, naming.UPLOADED, *naming.CHECKS} == naming.KNOWN
    assert naming.CHECKS[1] in BLOCKS[0] and naming.CHECKS[-1] in BLOCKS[0] and len(naming.CHECKS) == 9
    assert naming.OWN + "uploads/" == naming.UPLOADS and naming.KEPT in BLOCKS[0]


def test_a_kept_copy_is_read_the_same_way(store: FakeStore) -> None:
    copy = naming.kept_key(KEY)
    for key in [key for key in store.keys if key.startswith(KEY)]:
        store.plant(key.replace(KEY, copy), store.read(key))
    found = reader(store, copy)
    assert found.ours and found.settings()["clients"][1]["ClientSecret"] == HUSH
    assert not found.checked, "that was the original"
    assert check(store, copy, FakeReport(), store.clock, tool="tests", seal=seal.seal).checked
    assert reader(store, copy).checked


def test_under_another_key_it_is_neither_ours_nor_checked(store: FakeStore) -> None:
    moved = KEY.replace("01-00-00", "01-50-00")
    for key in [key for key in store.keys if key.startswith(KEY)]:
        store.plant(key.replace(KEY, moved), store.read(key))
    found = reader(store, moved)
    assert not found.ours and not found.checked


def test_with_another_key_it_is_not_ours_and_no_secret_opens(store: FakeStore) -> None:
    found = reader(store, seal_key="another key")
    assert not found.ours and len(found.part("data.json")) == 70
    with pytest.raises(InvalidTag):
        found.settings()


@pytest.mark.parametrize("name", ["pool.json", "groups.json", "data.json", "mfa.json"])
def test_one_changed_byte_shows(store: FakeStore, name: str) -> None:
    data = store.read(f"{KEY}/{name}")
    store.plant(f"{KEY}/{name}", data[:-3] + b" " + data[-2:])
    with pytest.raises(Damaged, match=name):
        reader(store).part(name)


def test_every_field_of_a_manifest_and_every_setting_is_on_the_page(store: FakeStore) -> None:
    manifest = json.loads(store.read(f"{KEY}/manifest.json"))
    for field in [
        *manifest,
        *manifest["parts"][0],
        *manifest["mfa"],
        "why",
        *json.loads(store.read(f"{KEY}/checked.json")),
    ]:
        assert f"`{field}`" in PAGE, field
    source = (ROOT / "backups" / "aws" / "pool_settings.py").read_text()
    settings = {*re.findall(r'yield "(\w+)"', source), "identity_pools"}
    assert len(settings) == 18
    for setting in settings:
        assert f"`{setting}`" in PAGE, setting


# --- the examples of the page -------------------------------------------------------------------

SEAL_KEY = "correct-horse-battery-staple-2026"


def test_the_pages_hmac_can_be_computed_again(settings: Settings) -> None:
    said, told = BLOCKS[4], BLOCKS[5]
    assert json.dumps(json.loads(said), sort_keys=True, separators=(",", ":"), ensure_ascii=False) == said
    manifest = {**json.loads(said), "hmac_sha256": told}
    found = Reader(
        "", lambda name: json.dumps(manifest).encode() if name == "manifest.json" else None, SEAL_KEY
    )
    assert found.ours
    settings.SEAL_KEY = SEAL_KEY
    assert seal.seal(said.encode()) == told


def test_the_pages_secret_opens(settings: Settings) -> None:
    key, sealed = BLOCKS[2], BLOCKS[3]
    assert derived(SEAL_KEY.encode()).hex() == key and SEAL_KEY in PAGE
    backup, pool = "2026-11-22.01-00-00/users-production", "eu-west-1_AbCdEfGhI"
    place = "/settings/clients/0/ClientSecret"
    assert f"`{backup}` of the pool `{pool}`, at `{place}`" in PAGE
    settings.SEAL_KEY = SEAL_KEY
    assert seal.opener(backup, pool)(sealed, place) == "not-a-real-client-secret"
    assert "opens to `not-a-real-client-secret`" in PAGE


def test_the_pages_users_are_users() -> None:
    assert [user["Enabled"] for user in json.loads(BLOCKS[1])] == [True, False]
    ours = list(read_users([gzip.compress(BLOCKS[1].encode())]))
    assert [user.status for user in ours] == ["CONFIRMED", "UNCONFIRMED"]

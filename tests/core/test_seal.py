"""Secrets sealed under SEAL_KEY: they open in their own place with their own key, or say why not."""

from __future__ import annotations

import base64

import pytest
from pytest_django import Settings

from backups import seal
from backups.core.files import holds
from backups.core.sealed import Transform
from tests.build import KEY

POOL_ID = "eu-west-1_Fake00001"
PLACE = "/settings/clients/0/ClientSecret"
HUSH = "hush-hush ä 日本"


def sealer() -> Transform:
    found = seal.sealer(KEY, POOL_ID)
    assert found
    return found


def open_it(sealed: str, *, backup: str = KEY, pool: str = POOL_ID, place: str = PLACE) -> str:
    return seal.opener(backup, pool)(sealed, place)


@pytest.mark.parametrize("text", [HUSH, "", "x" * 100_000])
def test_what_was_sealed_opens_again(text: str) -> None:
    sealed = sealer()(text, PLACE)
    assert sealed.startswith("v1:")
    assert text == "" or text not in sealed
    assert open_it(sealed) == text
    assert open_it(sealed, backup=f"_cognito-admin/kept/{KEY}") == text, "a kept copy is the same backup"


def test_the_same_secret_is_never_sealed_to_the_same_text() -> None:
    assert len({sealer()(HUSH, PLACE) for _ in range(50)}) == 50


@pytest.mark.parametrize(
    "elsewhere",
    [{"backup": KEY.replace("01-00-00", "02-00-00")}, {"pool": "eu-west-1_Another1"}, {"place": PLACE + "x"}],
)
def test_it_opens_nowhere_else(elsewhere: dict[str, str]) -> None:
    with pytest.raises(seal.CannotOpen, match="changed or moved here from elsewhere"):
        open_it(sealer()(HUSH, PLACE), **elsewhere)


def test_another_key_or_none_says_so(settings: Settings) -> None:
    sealed = sealer()(HUSH, PLACE)
    settings.SEAL_KEY = "another key"
    with pytest.raises(seal.CannotOpen, match="SEAL_KEY is not the one of this backup"):
        open_it(sealed)
    settings.SEAL_KEY = ""
    with pytest.raises(seal.CannotOpen, match="SEAL_KEY is not set"):
        open_it(sealed)


def test_no_changed_byte_opens() -> None:
    sealed = sealer()(HUSH, PLACE)
    data = base64.b64decode(sealed[3:])
    for at in range(len(data)):
        changed = bytearray(data)
        changed[at] ^= 1
        with pytest.raises(seal.CannotOpen) as raised:
            open_it("v1:" + base64.b64encode(changed).decode())
        assert HUSH not in str(raised.value)
    for cut in (data[:-1], data + b"\0"):
        with pytest.raises(seal.CannotOpen):
            open_it("v1:" + base64.b64encode(cut).decode())


@pytest.mark.parametrize(
    ("sealed", "says"),
    [
        ("v2:AAAA", "a way that this program does not know"),
        ("", "a way that this program does not know"),
        ("v1:", "cut or damaged"),
        ("v1:not base64!", "cut or damaged"),
        ("v1:AAAA", "cut or damaged"),
        ("v1:ä", "cut or damaged"),
    ],
)
def test_what_is_no_sealed_text_says_so(sealed: str, says: str) -> None:
    with pytest.raises(seal.CannotOpen, match=says):
        open_it(sealed)


def test_secrets_are_left_out_without_a_key_or_where_that_is_asked_for(settings: Settings) -> None:
    settings.SEAL_SECRETS = False
    assert seal.sealer(KEY, POOL_ID) is None
    settings.SEAL_SECRETS, settings.SEAL_KEY = True, ""
    assert seal.sealer(KEY, POOL_ID) is None


def test_the_key_of_the_hmac_opens_nothing(settings: Settings) -> None:
    key = settings.SEAL_KEY
    assert seal._key(key) != seal._secrets_key(key)
    assert len(seal._secrets_key(key)) == 32 and seal._secrets_key(key) != seal._secrets_key(key + " ")


def test_a_seal_holds_over_the_same_bytes_and_key_only(settings: Settings) -> None:
    made = seal.seal(b"manifest")
    assert holds(seal.seal, b"manifest", made) and not holds(seal.seal, b"manifest.", made)
    assert not any(holds(seal.seal, b"manifest", told) for told in ("", "ä" * 64, made + " "))
    settings.SEAL_KEY = ""
    assert seal.seal(b"manifest") == "" and not holds(seal.seal, b"manifest", made)

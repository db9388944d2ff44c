"""Secrets among settings: none gets out by mistake, each is sealed or named as left out, and comes back."""

from __future__ import annotations

import copy
import json
import pickle
from typing import Any

import orjson
import pytest

from backups.core.sealed import MARK, NotSealed, Secret, marked, opened, put_away

HUSH = "hush-hush"
SETTINGS: dict[str, Any] = {
    "user_pool": {"Id": "p", "ClientSecret": ""},
    "clients": [{"ClientId": "a"}, {"ClientId": "b", "ClientSecret": f"{HUSH}-b"}],
    "client_secrets": {"b": [{"ClientSecretId": "1", "ClientSecretValue": f"{HUSH}-v"}]},
    "identity_providers": [
        {"ProviderDetails": {"client_id": "public", "client_secret": f"{HUSH}-i", "a/b~c": {"x": 1}}},
        {"ProviderDetails": {"private_key": f"{HUSH}-k", "authorize_scopes": None}},
    ],
    "identity_pools": [
        {
            "SupportedLoginProviders": {
                "api.twitter.com": f"public;{HUSH}-t",
                "www.digits.com": f"public;{HUSH}-d",
                "accounts.google.com": "public",
            }
        }
    ],
    "odd/~": {"private_key": f"{HUSH}-o"},
}
PLACES = (
    "/settings/clients/1/ClientSecret",
    "/settings/client_secrets/b/0/ClientSecretValue",
    "/settings/identity_providers/0/ProviderDetails/client_secret",
    "/settings/identity_providers/1/ProviderDetails/private_key",
    "/settings/identity_pools/0/SupportedLoginProviders/api.twitter.com",
    "/settings/identity_pools/0/SupportedLoginProviders/www.digits.com",
    "/settings/odd~1~0/private_key",
)


def reversing(text: str, place: str) -> str:
    """In place of a cipher: its own inverse, and bound to the place."""
    return f"{place}|{text[::-1]}"


def back(text: str, place: str) -> str:
    at, _, turned = text.partition("|")
    assert at == place
    return turned[::-1]


def test_a_secret_shows_itself_to_nobody_who_does_not_ask() -> None:
    secret = Secret(HUSH)
    assert secret.reveal() == HUSH
    for text in (str(secret), repr(secret), f"{secret}", f"{[secret]}"):
        assert HUSH not in text
    for write in (json.dumps, orjson.dumps, pickle.dumps, copy.deepcopy):
        with pytest.raises(TypeError):
            write([secret])


def test_every_secret_of_an_answer_is_marked_and_nothing_else() -> None:
    said = repr(marked(SETTINGS))
    assert HUSH not in said
    assert said.count("Secret(") == len(PLACES)
    assert "public" in said
    assert marked("text") == "text"


def test_without_a_seal_secrets_are_left_out_and_it_is_said() -> None:
    kept, sealed, left_out = put_away(marked(SETTINGS), None)
    assert HUSH not in json.dumps(kept)
    assert kept["clients"] == [{"ClientId": "a"}, {"ClientId": "b"}]
    assert kept["identity_providers"][0]["ProviderDetails"] == {"client_id": "public", "a/b~c": {"x": 1}}
    assert sealed == ()
    assert kept["identity_pools"] == [{"SupportedLoginProviders": {"accounts.google.com": "public"}}]
    assert left_out == (
        "secrets of app clients",
        "secrets of identity providers",
        "secrets of identity pools",
        "secrets in odd/~",
    )


def test_nothing_is_left_out_where_there_is_no_secret() -> None:
    settings = {"clients": [{"ClientId": "a"}]}
    assert put_away(marked(settings), None) == (settings, (), ())
    assert put_away(marked(settings), reversing) == (settings, (), ())


def test_with_a_seal_each_stands_sealed_in_its_place_and_opens_again() -> None:
    kept, sealed, left_out = put_away(marked(SETTINGS), reversing)
    assert HUSH not in json.dumps(kept)
    assert (sealed, left_out) == (PLACES, ())
    assert kept["clients"][1] == {"ClientId": "b", "ClientSecret": {MARK: f"{PLACES[0]}|b-{HUSH[::-1]}"}}
    read = json.loads(json.dumps(kept))
    assert opened(read, sealed, back) == SETTINGS
    assert read == kept, "what was read stays sealed"


@pytest.mark.parametrize(
    "place",
    [
        "",
        "/",
        "/settings/clients/9/ClientSecret",
        "/settings/clients/x",
        "/settings/clients/0/ClientId/x",
        "/settings/clients/0/ClientId",
        "/settings/clients/2",
        "/settings/clients/3",
        "/settings/nothing",
    ],
)
def test_a_place_where_nothing_is_sealed_is_named(place: str) -> None:
    settings: dict[str, Any] = {"clients": [{"ClientId": "a"}, {}, {MARK: 7}, {MARK: "v1:", "more": 1}]}
    with pytest.raises(NotSealed, match=r"of pool\.json, and its manifest"):
        opened(settings, [place], back)

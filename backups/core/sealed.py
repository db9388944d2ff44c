"""Secrets among a pool's settings: marked when they are read, then sealed or left out, and opened again.

marked(answer)                   every secret of it is a Secret: no writer of JSON takes one
put_away(settings, seal)         sealed as {"$sealed": "v1:…"}, or left out where there is no seal
opened(settings, places, open)   the secrets themselves again, for a restore
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NoReturn, TypeAlias

NAMES = frozenset(
    # of app clients, of their further secrets, of identity providers' details: as AWS answers them, in clear
    {"ClientSecret", "ClientSecretValue", "client_secret", "private_key"}
    # of identity pools' SupportedLoginProviders: "<consumer key>;<consumer secret>" of Twitter and Digits;
    # what all others have there is the id of an application, which everybody may know
    | {"api.twitter.com", "www.digits.com"}
)
MARK = "$sealed"

Transform: TypeAlias = Callable[[str, str], str]
"""(text, the place it stands at) -> sealed or opened text."""

_LEFT_OUT = {
    "clients": "secrets of app clients",
    "client_secrets": "secrets of app clients",
    "identity_providers": "secrets of identity providers",
    "identity_pools": "secrets of identity pools",
}


class NotSealed(ValueError):
    """Where a manifest says that a sealed secret stands, there is none; the message is fit for a page."""


class Secret:
    """A text that shows itself only when it is asked by name: not in a log, a traceback or a file."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return "Secret(••••)"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is neither pickled nor copied")


def marked(value: Any) -> Any:
    """The same with a Secret in the place of every secret."""
    if isinstance(value, dict):
        return {
            name: Secret(item) if name in NAMES and isinstance(item, str) and item else marked(item)
            for name, item in value.items()
        }
    return [marked(item) for item in value] if isinstance(value, list) else value


def put_away(
    settings: Mapping[str, Any], seal: Transform | None
) -> tuple[dict[str, Any], tuple[str, ...], tuple[str, ...]]:
    """(settings without a Secret, places of the sealed ones, what was left out in words).

    A place is a JSON pointer (RFC 6901) into pool.json.
    """
    sealed: list[str] = []
    left_out: dict[str, None] = {}

    def put(value: Any, place: str, setting: str) -> Any:
        if isinstance(value, Secret):
            assert seal is not None  # else it was dropped below
            sealed.append(place)
            return {MARK: seal(value.reveal(), place)}
        if isinstance(value, dict):
            kept = {}
            for name, item in value.items():
                if isinstance(item, Secret) and seal is None:
                    left_out[_LEFT_OUT.get(setting, f"secrets in {setting}")] = None
                else:
                    kept[name] = put(item, f"{place}/{_token(name)}", setting)
            return kept
        if isinstance(value, list):
            return [put(item, f"{place}/{number}", setting) for number, item in enumerate(value)]
        return value

    done = {name: put(value, f"/settings/{_token(name)}", name) for name, value in settings.items()}
    return done, tuple(sealed), tuple(left_out)


def opened(settings: Mapping[str, Any], places: Iterable[str], unseal: Transform) -> dict[str, Any]:
    """The settings of a pool.json with its sealed secrets in clear, for a restore and for nothing else.

    Raises NotSealed, and what ``unseal`` raises: all of them open, or none is given.
    """
    document = {"settings": copy.deepcopy(dict(settings))}
    for place in places:
        _, *path = place.split("/")
        *way, last = [token.replace("~1", "/").replace("~0", "~") for token in path] or [""]
        inner: Any = document
        for token in way:
            inner = _into(inner, token, place)
        value = _into(inner, last, place)
        if not isinstance(value, dict) or value.keys() != {MARK} or not isinstance(value[MARK], str):
            raise NotSealed(f"There is no sealed secret at {place} of pool.json, and its manifest says so.")
        inner[int(last) if isinstance(inner, list) else last] = unseal(value[MARK], place)
    return document["settings"]


def _into(value: Any, token: str, place: str) -> Any:
    try:
        return value[int(token)] if isinstance(value, list) else value[token]
    except (KeyError, IndexError, ValueError, TypeError):
        raise NotSealed(f"There is nothing at {place} of pool.json, and its manifest names it.") from None


def _token(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")

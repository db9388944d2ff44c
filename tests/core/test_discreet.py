"""E-mails out of text that goes where everybody may read."""

from __future__ import annotations

import time

import pytest

from backups.core.discreet import discreet


def test_every_address_in_a_text_is_masked_and_nothing_else() -> None:
    assert discreet("ada@uni.example and <bob@lab.example>, not @home or 5 @ 3") == (
        "a••••@uni.example and <b••••@lab.example>, not @home or 5 @ 3"
    )
    assert discreet("nothing to hide") == "nothing to hide"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("o'brien@uni.example is", "o••••@uni.example is"),
        ("to giuseppe.d'angelo@uni.example, who", "to g••••@uni.example, who"),
        ("d''angelo'@uni.example", "d••••@uni.example"),
        ('"ada lovelace"@uni.example', '"a••••@uni.example'),
        ('of "ada \\"the countess\\" @ lovelace"@uni.example.', 'of "a••••@uni.example.'),
        ('{"email":"\\"ada lovelace\\"@uni.example"}', '{"email":"\\"a••••@uni.example"}'),
        ('ada."the countess".lovelace@uni.example', "a••••@uni.example"),
        ('"ada lovelace"(work)@uni.example', '"a••••@uni.example'),
        ("ada(work)lovelace@uni.example", "a••••@uni.example"),
        ("ada(work (or home))(x)@uni.example", "a••••@uni.example"),
        ("ada@(work)uni.example", "a••••@(work)uni.example"),
        ("ada@bob@uni.example", "a••••@uni.example"),
        ("'ada@uni.example'or'bob@uni.example'", "'a••••@uni.example'"),
    ],
)
def test_an_odd_address_is_masked_whole(text: str, shown: str) -> None:
    assert discreet(text) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("No user 'ada@x.io' here", "No user 'a••••@x.io' here"),
        ('"ada@x.io", "bob@x.io"', '"a••••@x.io", "b••••@x.io"'),
        ('{"email":"ada@x.io","to":"@home"}', '{"email":"a••••@x.io","to":"@home"}'),
        ("Ada's (ada@x.io) and Bob(bob@x.io)", "Ada's (a••••@x.io) and Bob(b••••@x.io)"),
        ("ada)@x.io and '@home', ada@ home, ada@", "ada)@x.io and '@home', ada@ home, ada@"),
        ('5" wide: "ada lovelace"@x.io', '5" wide: "a••••@x.io'),
        ('the "name"\n"@home', 'the "name"\n"@home'),
        ("ada@x.io:bob@y.io;eve@z.io", "a••••@x.io:b••••@y.io;e••••@z.io"),
    ],
)
def test_the_sentence_around_an_address_stays(text: str, shown: str) -> None:
    assert discreet(text) == shown


@pytest.mark.parametrize(
    "part", ["x", "'", '"', '\\"@', '"@', '"x "@', "a'", "(", ")@", "(@)", "@", "\\", "a@"]
)
def test_a_long_text_is_read_once(part: str) -> None:
    started = time.process_time()
    discreet(part * (400_000 // len(part)))
    discreet(part * (400_000 // len(part)) + '\\"@x.io')
    assert time.process_time() - started < 10  # from each of its letters it would be minutes

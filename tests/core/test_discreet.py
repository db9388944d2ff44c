"""E-mails out of text that goes where everybody may read."""

from __future__ import annotations

from backups.core.discreet import discreet


def test_every_address_in_a_text_is_masked_and_nothing_else() -> None:
    assert discreet("ada@uni.example and <bob@lab.example>, not @home or 5 @ 3") == (
        "a••••@uni.example and <b••••@lab.example>, not @home or 5 @ 3"
    )
    assert discreet("nothing to hide") == "nothing to hide"

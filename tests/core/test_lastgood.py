"""The last good backup: which rules there are, how few are asked, what is said of the answer."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backups.core.lastgood import (
    AHEAD,
    BadRule,
    Found,
    Kind,
    Rule,
    about,
    notes,
    search,
    two_pools,
    verdict,
    which_pool,
)
from backups.core.matching import Rules
from tests.build import a_user, laws

POOL = Rules(email_is_username=True, case_sensitive=False)
EXACT = Rules(email_is_username=False, case_sensitive=True)
FIRST = datetime(2026, 11, 1, 1, 0, tzinfo=UTC)
T, F, U = True, False, None


def asking(truth: Sequence[bool | None]) -> tuple[Callable[[int], bool | None], list[int]]:
    """(ask, the places that were asked)."""
    asked: list[int] = []

    def ask(place: int) -> bool | None:
        assert place not in asked, "nothing is read twice"
        asked.append(place)
        return truth[place]

    return ask, asked


def found(
    truth: Sequence[bool | None], known: Sequence[bool | None] | None = None, over: Sequence[int] = ()
) -> Found:
    return search(known or [None] * len(truth), over, asking(truth)[0])


def told(truth: Sequence[bool | None], **how: Any) -> dict[str, Any]:
    """The result as a job keeps it, with the pair as the runner adds it."""
    shown = {"shown": how.pop("shown")} if "shown" in how else {}
    one = found(truth, **how)
    when = [FIRST + timedelta(days=day) for day in range(len(truth))]
    result = about(one, when, "p", dict.fromkeys(one.over, "it was cut"), **shown)
    if one.pair:
        result |= {
            side: {"at": when[at].isoformat()} for side, at in zip(("good", "bad"), one.pair, strict=True)
        }
    return result


# --- rules --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "number", ["", "0", "-1", "1.5", "1e3", "ten", "٣", "1000000001", "9" * 400, "1,900"]
)
def test_a_number_is_whole_and_within_bounds(number: str) -> None:
    with pytest.raises(BadRule, match="a whole number from 1 to 1,000,000,000"):
        Rule.of("at-least", users=number)


@pytest.mark.parametrize(
    ("kind", "asked", "why"),
    [
        ("", {"name": "ada"}, "Choose what a good backup has"),
        ("all", {}, "Choose what a good backup has"),
        ("user", {}, "Name the user"),
        ("user", {"name": "  "}, "Name the user"),
        ("member", {"name": "ada"}, "Name the group"),
        ("member", {"group": "admins"}, "Name the user"),
        ("user", {"name": "x" * 2049}, "at most 2,048"),
        ("member", {"name": "ada", "group": "x" * 129}, "a group's 128"),
    ],
)
def test_what_is_no_rule_is_said(kind: str, asked: dict[str, str], why: str) -> None:
    with pytest.raises(BadRule, match=why):
        Rule.of(kind, **asked)


def test_a_rule_is_read_back_as_it_was_written() -> None:
    for rule in (
        Rule.of("user", name=" ada@uni.example ", group="left out", users="12"),
        Rule.of("at-least", users=" 1000000000 "),
        Rule.of("member", name="ada", group="admins"),
    ):
        assert Rule.read(rule.params) == rule
    assert Rule.of("user", name=" ada ", group="admins") == Rule(Kind.USER, name="ada")


def test_a_rule_masks_its_e_mails_until_they_are_revealed() -> None:
    rule = Rule.of("member", name="o'brien@uni.example", group="of eve@uni.example")
    assert rule.words() == "o••••@uni.example is in the group of e••••@uni.example"
    assert rule.words(revealed=True) == "o'brien@uni.example is in the group of eve@uni.example"
    assert Rule.of("user", name="ada").words() == "ada is there"
    assert Rule.of("at-least", users="1").words() == "At least 1 user is there"
    assert Rule.of("at-least", users="1900").words() == "At least 1,900 users are there"


def test_a_user_is_known_by_sub_by_username_and_by_e_mail_as_the_pool_folds() -> None:
    ada = a_user("Zoë@Uni.example", sub="s-1", username="Ada", verified=False)
    assert [
        Rule.of("user", name=name).names(ada, POOL) for name in ("s-1", "ADA", "zoe\u0308@uni.EXAMPLE")
    ] == [T] * 3
    assert [Rule.of("user", name=name).names(ada, POOL) for name in ("S-1", "adam", "@uni.example")] == [
        F
    ] * 3
    assert [Rule.of("user", name=name).names(ada, EXACT) for name in ("Ada", "ADA", "zoë@uni.example")] == [
        T,
        F,
        F,
    ]


# --- how few are asked --------------------------------------------------------------------------------


def bound(backups: int) -> int:
    return math.ceil(math.log2(backups + 1))


@pytest.mark.parametrize("backups", [*range(0, 70), 365, 511, 512, 2160])
def test_of_backups_of_which_nothing_is_known_few_are_asked_wherever_the_change_is(backups: int) -> None:
    most = 0
    for good in range(backups + 1) if backups < 400 else (0, 1, backups // 2, backups - 1, backups):
        ask, asked = asking([place < good for place in range(backups)])
        result = search([None] * backups, (), ask)
        assert result.pair == ((good - 1, good) if 0 < good < backups else None)
        most = max(most, len(asked))
    assert most <= bound(backups)
    assert bound(365) == 9


truths = st.lists(st.sampled_from([T, F, U]), max_size=60)


@given(truths, st.data())
@laws(400)
def test_whatever_is_known_the_answer_is_true_and_nothing_is_asked_in_vain(
    truth: list[bool | None], data: Any
) -> None:
    known = [answer if data.draw(st.booleans()) else None for answer in truth]
    over = [place for place, answer in enumerate(truth) if answer is None and data.draw(st.booleans())]
    ask, asked = asking(truth)
    result = search(known, over, ask)
    assert all(known[place] is None and place not in over for place in asked)
    assert all(answer in (None, truth[place]) for place, answer in enumerate(result.answers))
    assert len(result.told) + len(result.over) + result.unasked == len(truth)
    assert set(result.asked) == {place for place in asked if truth[place] is not None}
    assert sum(last - first + 1 for _, first, last in result.runs()) == len(truth)
    if result.pair:
        good, bad = result.pair
        assert result.answer == "found"
        assert (truth[good], truth[bad]) == (T, F)
        assert all(place in result.over for place in range(good + 1, bad)), "every one between them was tried"
        newer = [b for a, b in result.flips if a > good]
        assert all(result.answers[place] for place in newer[::2]), "no newer fall is known"
    else:
        assert not any(result.answers[a] for a, _ in result.flips), "no fall is known"
        assert result.answer != "found"


@given(st.lists(st.booleans(), min_size=1, max_size=200))
@laws(200)
def test_with_everything_known_nothing_is_asked_and_the_newest_fall_is_found(truth: list[bool]) -> None:
    ask, asked = asking(truth)
    result = search(truth, (), ask)
    falls = [(at, at + 1) for at in range(len(truth) - 1) if truth[at] and not truth[at + 1]]
    assert not asked
    assert result.pair == (falls[-1] if falls else None)
    assert result.flips == tuple((at, at + 1) for at in range(len(truth) - 1) if truth[at] != truth[at + 1])


def test_what_cannot_be_read_is_stepped_over_and_its_neighbour_is_asked() -> None:
    result = found([T, T, U, U, F])
    assert (result.pair, result.over) == ((1, 4), frozenset({2, 3}))
    assert found([T, F, F], over=[1]).pair == (0, 2)


def test_the_newest_interval_is_bisected_and_an_older_one_only_when_it_holds_no_fall() -> None:
    truth = [T, T, F, T, T, T, F, F]
    known = [T, U, U, T, U, U, U, F]
    result = found(truth, known)
    assert result.pair == (5, 6)
    assert set(result.asked) <= {4, 5, 6}
    still = found([T, F, F, T, T, T], [T, U, F, T, U, U])
    assert (still.pair, still.answer) == ((0, 1), "found")
    assert set(still.asked) <= {1, 4, 5}


# --- what is said -------------------------------------------------------------------------------------

ADA, WHO = Rule.of("user", name="ada@uni.example"), "a••••@uni.example is"
ONE, TWO, THREE = (f"2026-11-0{day} 01:00 UTC" for day in (1, 2, 3))


@pytest.mark.parametrize(
    ("truth", "said"),
    [
        ([T, F], f"{WHO} in the backup of {ONE} and no longer in that of {TWO}."),
        ([T, T], f"{WHO} in every backup that was looked at: still good in the newest, of {TWO}."),
        ([F, F], f"{WHO} in none of the backups that were looked at, not even in the oldest, of {ONE}."),
        ([U, U], "None of the backups of p can tell."),
        ([], "There is no backup of p."),
    ],
)
def test_the_verdict_is_a_sentence(truth: list[bool | None], said: str) -> None:
    assert verdict(ADA, told(truth)) == said


def test_what_is_newest_among_those_that_can_tell_is_not_called_the_newest() -> None:
    everywhere = told([T, T, U, U])
    assert everywhere["newer"] == 2
    assert verdict(ADA, everywhere) == (
        f"{WHO} in every backup that was looked at: still good in the newest that can tell, of {TWO}; "
        "2 newer cannot tell."
    )
    came = told([F, T, U], known=[F, T, U], over=[2])
    assert verdict(ADA, came) == (
        f"{WHO} in the newest backup that can tell, of {TWO}, since that of {TWO}; "
        f"not yet in that of {ONE}; 1 newer cannot tell."
    )
    assert told([U, U])["newer"] == 0
    assert verdict(ADA, {k: v for k, v in told([T, T]).items() if k != "newer"}).endswith(f"of {TWO}.")


def test_one_dated_in_the_future_is_not_counted_as_newer() -> None:
    one = found([T, U, U], over=[1, 2])
    when = [FIRST + timedelta(days=day) for day in range(3)]
    assert about(one, when, "p", {1: "it was cut", 2: AHEAD})["newer"] == 1
    assert "cannot tell" not in verdict(ADA, about(one, when, "p", {1: AHEAD, 2: AHEAD}))


def test_a_pool_and_its_successor_are_named_where_the_pair_is_of_both() -> None:
    result = told([T, F])
    assert two_pools(result) is two_pools({}) is None
    for good, bad in (("A", "A"), ("A", ""), ("", "B")):
        result["good"]["pool_id"], result["bad"]["pool_id"] = good, bad
        assert two_pools(result) is None
    result["good"]["pool_id"] = "A"
    assert two_pools(result) == ("A", "B")
    assert "The two are of pools made one after the other under this name: A and then B." in notes(result)


def test_several_pools_of_a_name_are_named() -> None:
    assert which_pool("team", ["A", "B", "C"]).startswith(
        "3 pools bear the name team at the same time: A, B and C. "
    )


def test_what_came_and_stayed_is_no_fall() -> None:
    result = told([F, F, T], known=[F, F, T])
    assert result["answer"] == "came"
    assert verdict(ADA, result, revealed=True) == (
        f"ada@uni.example is in the newest backup, of {THREE}, since that of {THREE}; "
        f"not yet in that of {TWO}."
    )


def test_the_verdict_says_numbers_and_groups() -> None:
    days = f"in the backup of {ONE} and no longer in that of {TWO}."
    assert verdict(Rule.of("at-least", users="1900"), told([T, F])) == f"At least 1,900 users are {days}"
    assert verdict(Rule.of("member", name="ada", group="admins"), told([T, F])) == (
        f"ada is in the group admins {days}"
    )


def test_how_many_were_read_and_that_more_may_hide_between_them_is_said() -> None:
    result = told([place < 200 for place in range(365)])
    assert (result["read"], result["known"], result["silent"], result["flips"]) == (8, 0, 357, 1)
    assert notes(result) == [
        "Of 365 backups 8 were read, and of 0 the answer was known without reading.",
        "357 backups were neither read nor known: a change between two that were not read would not be seen.",
    ]
    assert {run["kind"] for run in result["runs"]} == {"good-read", "bad-read", "silent"}


@pytest.mark.parametrize(("subs", "said"), [(1, 0), (3, 1)])
def test_a_name_that_several_bore_is_told(subs: int, said: int) -> None:
    result = told([T, F], known=[T, F]) | {"subs": subs}
    assert (
        sum("It was not always the same user: 3 subs bore this name." in note for note in notes(result))
        == said
    )


def test_flips_are_counted_and_the_newest_fall_is_offered() -> None:
    result = told([T, F, T, F, T], known=[T, F, T, F, T])
    assert notes(result) == [
        "Of 5 backups 0 were read, and of 5 the answer was known without reading.",
        "The answer changes 4 times between backups; the newest fall is shown.",
        "It is good again in the backup of 2026-11-05 01:00 UTC.",
    ]
    assert [change["good"] for change in result["changes"]] == [T, F, T, F]
    assert result["changes"][1] == {
        "from": "2026-11-03T01:00:00+00:00",
        "to": "2026-11-04T01:00:00+00:00",
        "good": False,
        "silent": 0,
    }


def test_an_unread_backup_between_two_known_ones_is_said_with_the_change() -> None:
    result = told([T, F, F, T, T, F], known=[T, U, F, U, T, F])
    assert [(change["good"], change["silent"]) for change in result["changes"]] == [(F, 0), (T, 1), (F, 1)]


def test_what_was_stepped_over_is_named_newest_first() -> None:
    result = told([T, U, F, U], over=[1, 3])
    assert result["stepped_over"] == [
        ["2026-11-04T01:00:00+00:00", "it was cut"],
        ["2026-11-02T01:00:00+00:00", "it was cut"],
    ]
    said = notes(result)
    assert "Between these two lies 1 backup that cannot tell." in said
    assert "2 backups were stepped over." in said
    assert "Between these two lie 2 backups that cannot tell." in notes(told([T, U, U, F]))
    assert notes(told([U])) == [
        "Of 1 backup 0 were read, and of 0 the answer was known without reading.",
        "1 backup was stepped over.",
    ]
    assert notes(told([])) == []


def test_of_a_rule_that_flips_all_the_time_the_newest_are_kept() -> None:
    truth = [place % 2 == 0 for place in range(20)]
    result = told(truth, known=truth, shown=4)
    assert (len(result["runs"]), result["earlier_runs"], result["earlier"]) == (4, 16, 16)
    assert (len(result["changes"]), result["flips"]) == (4, 19)
    assert result["runs"][0]["to"] == result["newest"]

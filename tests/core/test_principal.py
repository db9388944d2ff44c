"""Who a caller is, and whether they may come in."""

from __future__ import annotations

import dataclasses

import pytest

from backups.core.principal import Caller, Home, Principal, Refused, Standing, judge, who

ACCOUNT = "111122223333"
HOME = Home("aws", ACCOUNT)
IVA_ID = "AIDAIVAIVAIVAIVAIVA1"
IVA = Principal(IVA_ID, "iva", f"arn:aws:iam::{ACCOUNT}:user/iva", ACCOUNT)
STANDING = Standing(
    unique_id=IVA_ID,
    arn=IVA.arn,
    active_keys=frozenset({"AKIAIVAIVAIVAIVAIVA1"}),
    policies=frozenset({"ReadOnlyAccess"}),
    groups=frozenset({"engineering", "everyone"}),
)


def code_of(arn: str, user_id: str, account: str = ACCOUNT) -> str:
    with pytest.raises(Refused) as refused:
        who(Caller(arn, user_id, account), HOME)
    assert refused.value.message
    return refused.value.code


def test_an_iam_user_is_the_person_of_the_unique_id() -> None:
    assert who(Caller(IVA.arn, IVA_ID, ACCOUNT), HOME) == IVA


@pytest.mark.parametrize(
    ("resource", "name"),
    [
        ("user/iva", "iva"),
        ("user/people/cph/iva", "iva"),
        ("user/engineering/mallory", "mallory"),
        ("user/iva/mallory", "mallory"),
        ("user/iva@uni.example", "iva@uni.example"),
        ("user/" + "a" * 64, "a" * 64),
    ],
)
def test_a_path_is_not_the_name(resource: str, name: str) -> None:
    assert who(Caller(f"arn:aws:iam::{ACCOUNT}:{resource}", IVA_ID, ACCOUNT), HOME).name == name


@pytest.mark.parametrize(
    ("why", "arn", "user_id", "account"),
    [
        ("root", f"arn:aws:iam::{ACCOUNT}:root", ACCOUNT, ACCOUNT),
        ("federated", f"arn:aws:sts::{ACCOUNT}:federated-user/iva", f"{ACCOUNT}:iva", ACCOUNT),
        ("role", f"arn:aws:sts::{ACCOUNT}:assumed-role/admin/iva", "AROAADMINADMINADMIN1:iva", ACCOUNT),
        ("other-account", "arn:aws:iam::999988887777:user/iva", IVA_ID, "999988887777"),
        (
            "other-account",
            "arn:aws:sts::999988887777:assumed-role/admin/iva",
            "AROAADMINADMINADMIN1:iva",
            "999988887777",
        ),
        ("other-account", f"arn:aws-cn:iam::{ACCOUNT}:user/iva", IVA_ID, ACCOUNT),
        ("other-account", "arn:aws:iam::999988887777:root", "999988887777", "999988887777"),
    ],
)
def test_nobody_but_an_iam_user_of_our_account(why: str, arn: str, user_id: str, account: str) -> None:
    assert code_of(arn, user_id, account) == why


@pytest.mark.parametrize(
    ("arn", "user_id", "account"),
    [
        pytest.param(IVA.arn, IVA_ID, "999988887777", id="the account disagrees with the arn"),
        pytest.param(IVA.arn, "AROAIVAIVAIVAIVAIVA1", ACCOUNT, id="a user with a role's id"),
        pytest.param(IVA.arn, f"{IVA_ID}:iva", ACCOUNT, id="a user with a session"),
        pytest.param(IVA.arn, ACCOUNT, ACCOUNT, id="a user with root's id"),
        pytest.param(IVA.arn + "\n", IVA_ID, ACCOUNT, id="a newline after the arn"),
        pytest.param(IVA.arn, IVA_ID + "\n", ACCOUNT, id="a newline after the id"),
        pytest.param(IVA.arn, IVA_ID, ACCOUNT + "\n", id="a newline after the account"),
        pytest.param("arn:aws:iam::١١١١٢٢٢٢٣٣٣٣:user/iva", IVA_ID, "١١١١٢٢٢٢٣٣٣٣", id="unicode digits"),
        pytest.param(f"arn:aws:iam::{ACCOUNT}:user/ivа", IVA_ID, ACCOUNT, id="a cyrillic letter"),
        pytest.param(f"arn:aws:iam::{ACCOUNT}:user/", IVA_ID, ACCOUNT, id="no name"),
        pytest.param(f"arn:aws:iam::{ACCOUNT}:user//iva", IVA_ID, ACCOUNT, id="an empty path"),
        pytest.param(f"arn:aws:iam::{ACCOUNT}:user/" + "a" * 65, IVA_ID, ACCOUNT, id="a name too long"),
        pytest.param(f"arn:aws:iam::{ACCOUNT}:group/iva", IVA_ID, ACCOUNT, id="a group"),
        pytest.param(f"arn:aws:iam:eu-west-1:{ACCOUNT}:user/iva", IVA_ID, ACCOUNT, id="with a region"),
        pytest.param(f"arn:aws:sts::{ACCOUNT}:user/iva", IVA_ID, ACCOUNT, id="a user of sts"),
        pytest.param(f"aws:iam::{ACCOUNT}:user/iva", IVA_ID, ACCOUNT, id="no arn"),
        pytest.param("", "", "", id="nothing"),
        pytest.param(
            f"arn:aws:sts::{ACCOUNT}:assumed-role/admin/iva/x",
            "AROAADMINADMINADMIN1:iva/x",
            ACCOUNT,
            id="a session name with a slash",
        ),
        pytest.param(
            f"arn:aws:sts::{ACCOUNT}:assumed-role/admin/iva",
            "AROAADMINADMINADMIN1:pol",
            ACCOUNT,
            id="role id and session disagree",
        ),
        pytest.param(
            f"arn:aws:sts::{ACCOUNT}:assumed-role/admin/iva", IVA_ID, ACCOUNT, id="a role with a user's id"
        ),
        pytest.param(f"arn:aws:iam::{ACCOUNT}:root", IVA_ID, ACCOUNT, id="root with a user's id"),
    ],
)
def test_what_does_not_fit_together_is_refused(arn: str, user_id: str, account: str) -> None:
    assert code_of(arn, user_id, account) == "unclear"


def test_both_accounts_are_named() -> None:
    with pytest.raises(Refused, match=r"999988887777.*111122223333"):
        who(Caller("arn:aws:iam::999988887777:user/iva", IVA_ID, "999988887777"), HOME)


def test_another_partition_is_named_without_what_it_smuggles() -> None:
    with pytest.raises(Refused) as refused:
        who(Caller(f"arn:aws<b>\n:iam::{ACCOUNT}:user/iva", IVA_ID, ACCOUNT), HOME)
    assert "aws?b??" in refused.value.message


def verdict(
    standing: Standing | None = STANDING,
    key_id: str = "AKIAIVAIVAIVAIVAIVA1",
    login_groups: tuple[str, ...] = ("engineering",),
) -> str:
    try:
        judge(IVA, standing, key_id=key_id, login_groups=login_groups, contacts="Iva or Pol")
    except Refused as refused:
        return refused.code
    return "in"


def test_a_member_is_let_in() -> None:
    assert verdict() == "in"


def test_one_of_several_groups_is_enough() -> None:
    assert verdict(login_groups=("admins", "everyone")) == "in"


def test_a_temporary_key_has_no_status_to_ask() -> None:
    assert verdict(key_id="ASIATEMPORARY0000001") == "in"


def test_a_worker_asks_without_a_key() -> None:
    assert verdict(key_id="") == "in"


@pytest.mark.parametrize(
    ("why", "changed"),
    [
        ("made-again", {"unique_id": "AIDAIVAIVAIVAIVAIVA2"}),
        ("moved", {"arn": f"arn:aws:iam::{ACCOUNT}:user/left/iva"}),
        ("key-inactive", {"active_keys": frozenset()}),
        ("quarantined", {"policies": frozenset({"AWSCompromisedKeyQuarantineV3"})}),
        ("not-in-group", {"groups": frozenset()}),
        ("not-in-group", {"groups": frozenset({"Engineering", "engineering-guests", "engineerin"})}),
    ],
)
def test_who_no_longer_stands_as_they_did_is_refused(why: str, changed: dict[str, object]) -> None:
    assert verdict(dataclasses.replace(STANDING, **changed)) == why  # type: ignore[arg-type]


def test_who_is_gone_is_refused() -> None:
    assert verdict(None) == "gone"


def test_an_empty_list_of_groups_means_nobody() -> None:
    assert verdict(login_groups=()) == "not-in-group"


def test_a_stranger_is_told_who_they_are_and_whom_to_ask() -> None:
    standing = dataclasses.replace(STANDING, groups=frozenset())
    with pytest.raises(Refused) as refused:
        judge(IVA, standing, key_id="", login_groups=["engineering"], contacts="Iva or Pol")
    for word in ("iva", ACCOUNT, "engineering", "Iva or Pol"):
        assert word in refused.value.message


def test_every_sentence_ends_and_promises_nothing_more() -> None:
    for changed in (None, dataclasses.replace(STANDING, groups=frozenset())):
        with pytest.raises(Refused) as refused:
            judge(IVA, changed, key_id="", login_groups=[], contacts="Iva or Pol")
        assert refused.value.message.endswith(".")

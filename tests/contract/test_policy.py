"""docs/policies.json allows what the product asks of Cognito, and names nothing that AWS does not know."""

from __future__ import annotations

import json
import re

import botocore.session

from tests.servers import ROOT

ADAPTERS = ROOT / "backups" / "aws"
NAMED = re.compile(r'"([a-z]+(?:_[a-z]+)+)"|\.([a-z]+(?:_[a-z]+)+)\(')
SERVICES = ("cognito-idp", "cognito-identity")
NOT_AWS = {"get_user", "delete_user"}  # ports' methods and the pace's names; the calls are Admin…


def allowed() -> set[str]:
    policies = json.loads((ROOT / "docs" / "policies.json").read_text())
    return {action for policy in policies.values() for one in policy["Statement"] for action in one["Action"]}


def operations(service: str) -> dict[str, str]:
    """boto3's name of each operation -> AWS's."""
    model = botocore.session.get_session().get_service_model(service)
    return {
        re.sub(r"(?<!^)(?=[A-Z][a-z])|(?<=[a-z])(?=[A-Z])", "_", name).lower(): name
        for name in model.operation_names
    }


def test_every_operation_that_the_adapters_name_is_allowed() -> None:
    asked = set()
    for path in ADAPTERS.glob("*.py"):
        service = SERVICES[path.stem == "identity_pools"]
        known = operations(service)
        named = {quoted or called for quoted, called in NAMED.findall(path.read_text())} - NOT_AWS
        asked |= {f"{service}:{known[name]}" for name in named & known.keys()}
    assert len(asked) > 30
    assert asked - allowed() == set()


def test_nothing_is_allowed_that_aws_does_not_know() -> None:
    known = {f"{service}:{name}" for service in SERVICES for name in operations(service).values()}
    assert {action for action in allowed() if action.startswith("cognito-")} - known == set()

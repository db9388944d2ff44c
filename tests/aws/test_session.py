"""How AWS is called."""

from __future__ import annotations

import logging
import os

from backups.aws import session


def test_a_client_is_made_once_for_a_service_and_a_region() -> None:
    one = session.client("s3", "eu-west-1")
    assert session.client("s3", "eu-west-1") is one
    assert session.client("s3", "eu-central-1") is not one


def test_a_call_is_tried_once_and_has_its_time_limits() -> None:
    config = session.client("cognito-idp", "eu-west-1").meta.config
    assert config.retries == {"mode": "standard", "total_max_attempts": 1}  # type: ignore[attr-defined]
    assert config.connect_timeout == 5  # type: ignore[attr-defined]
    assert config.read_timeout == 30  # type: ignore[attr-defined]
    assert config.max_pool_connections == 32  # type: ignore[attr-defined]
    assert "cognito-admin" in config.user_agent_extra  # type: ignore[attr-defined]


def test_loggers_that_would_show_signatures_never_do() -> None:
    for name in ("boto3", "botocore", "botocore.auth", "urllib3.connectionpool"):
        assert not logging.getLogger(name).isEnabledFor(logging.DEBUG)


def test_a_child_process_has_clients_of_its_own() -> None:
    session.client("s3", "eu-west-1")
    child = os.fork()
    if child == 0:
        os._exit(len(session._clients))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert session._clients

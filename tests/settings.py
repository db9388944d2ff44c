"""The product's settings under test: what a host must give is given here, the rest stands as it is."""

from __future__ import annotations

import os

for name, value in {
    "SECRET_KEY": "a-key-of-the-tests-alone",
    "SEAL_KEY": "a-seal-of-the-tests-alone",
    "AWS_REGION": "eu-west-1",
    "POOL_REGIONS": "eu-west-1",
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_EC2_METADATA_DISABLED": "true",
    # Nobody listens there: a test that forgets its world fails at once and reaches nothing real.
    "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
    "REDIS_URL": "redis://127.0.0.1:9/0",
    # Nobody is told of a test's alarms, whatever this host's own settings say.
    **dict.fromkeys(("SLACK_WEBHOOK", "ALARM_EMAILS", "ALARM_WEBHOOK", "HEARTBEAT_URL", "EMAIL_URL"), ""),
    "REPORTS_BUCKET": "",
    # Emulators cannot backdate an object, and the worlds of the tests hold old ones.
    "ORIGIN_LATE_CHECK": "false",
    "LOG_LEVEL": "WARNING",
}.items():
    os.environ[name] = value

from cognito_admin.settings import *  # noqa: E402, F403

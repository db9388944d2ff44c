"""The Celery application. A message carries a job's id and nothing else."""

import os
from typing import Any

from celery import Celery
from celery.signals import beat_init, celeryd_init

from cognito_admin import broker

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "cognito_admin.settings")

app = Celery("cognito_admin")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks(["backups"])
broker.survive()


@celeryd_init.connect
@beat_init.connect
def name_wrong_settings(**_: Any) -> None:
    """A wrong setting is named at start, and stops it."""
    from django.core.management import call_command  # noqa: PLC0415 - Django is set up by now

    call_command("check")

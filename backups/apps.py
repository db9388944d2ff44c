"""The one app."""

from __future__ import annotations

from django.apps import AppConfig


class BackupsConfig(AppConfig):
    name = "backups"
    verbose_name = "Cognito backups"

    def ready(self) -> None:
        from backups import checks  # noqa: F401, PLC0415  (registers them; models are loaded only now)

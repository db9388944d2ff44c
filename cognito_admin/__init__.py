"""The Django project: settings, addresses and the doors for servers."""

from cognito_admin.celery import app as celery_app

__all__ = ["celery_app"]

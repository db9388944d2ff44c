"""ASGI: the event stream needs it (under WSGI an async generator delivers nothing)."""

import os

from django.core.asgi import get_asgi_application
from django.core.management import call_command

from cognito_admin.bodies import Limited

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "cognito_admin.settings")
pages = Limited(get_asgi_application())

from backups.hub import Hub  # noqa: E402  (there are models only now)

application = Hub(pages)
call_command("check")  # a wrong setting is named at start, and stops it

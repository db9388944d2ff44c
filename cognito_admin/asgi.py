"""ASGI: the event stream needs it (under WSGI an async generator delivers nothing)."""

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "cognito_admin.settings")
application = get_asgi_application()

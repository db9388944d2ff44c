#!/usr/bin/env python
"""The product in a terminal: ``manage.py pools``, ``manage.py backup --help``, …"""

import os
import sys

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "cognito_admin.settings")
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)

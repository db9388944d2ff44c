"""Settings. The environment is read here and nowhere else; .env.example has a sentence for each name.

Endpoints, credentials and profile of AWS are boto3's own business (AWS_ENDPOINT_URL,
AWS_PROFILE, …); a wrong or missing setting is named at start by backups.checks.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import environ
import structlog
from csp.constants import NONE, SELF

from cognito_admin.logs import without_messages

BASE_DIR = Path(__file__).resolve().parent.parent
WRONG_SETTINGS: dict[str, str] = {}
"""Name -> what is wrong with its value, which may hold a password and is not shown. Nothing runs then."""


class Env(environ.Env):
    """Notes a value that cannot be read and goes on with the default, so that all are named at once."""

    no: dict[Any, str] = {
        bool: "is neither true nor false",
        int: "is no whole number",
        float: "is no number",
    }
    truth = frozenset({*environ.Env.BOOLEAN_TRUE_STRINGS, "false", "off", "n", "no", "0", ""})

    def get_value(self, var: str, cast: Any = None, default: Any = None, parse_default: bool = False) -> Any:
        try:
            if cast is bool and self.ENVIRON.get(var, "").strip().lower() not in self.truth:
                raise ValueError
            return super().get_value(var, cast, default, parse_default)
        except ValueError:
            WRONG_SETTINGS[var] = self.no[cast]
            return default


env = Env()  # type: ignore[no-untyped-call]
if (BASE_DIR / ".env").is_file():
    environ.Env.read_env(BASE_DIR / ".env")

VERSION = "0.1.0"
PRODUCTION: bool = env.bool("PRODUCTION", default=False)
DEBUG = False
SECRET_KEY: str = env.str("SECRET_KEY", default="")
SEAL_KEY: str = env.str("SEAL_KEY", default="")
SEAL_SECRETS: bool = env.bool("SEAL_SECRETS", default=True)
ALLOWED_HOSTS: list[str] = env.list("ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"])
CSRF_TRUSTED_ORIGINS: list[str] = env.list("CSRF_TRUSTED_ORIGINS", default=[])
TRUSTED_PROXIES: int = env.int("TRUSTED_PROXIES", default=0)

# AWS: what is ours to decide
AWS_REGION: str = env.str("AWS_REGION", default="") or env.str("AWS_DEFAULT_REGION", default="")
AWS_ACCOUNT: str = env.str("AWS_ACCOUNT", default="")
BACKUP_BUCKET: str = env.str("BACKUP_BUCKET", default="biomage-backups-production-{account}")
REPORTS_BUCKET: str = env.str("REPORTS_BUCKET", default="")
POOL_REGIONS: list[str] = env.list("POOL_REGIONS", default=[AWS_REGION] if AWS_REGION else [])
WRITE_ROLE: str = env.str("WRITE_ROLE", default="")
QUOTA_SHARE: float = env.float("QUOTA_SHARE", default=0.8)
MAIL_RESERVE: int = env.int("MAIL_RESERVE", default=10)
ORIGIN_LATE_CHECK: bool = env.bool("ORIGIN_LATE_CHECK", default=True)
UPLOAD_LIMIT_MB: int = env.int("UPLOAD_LIMIT_MB", default=200)

# After a restore
IDENTITY_MAP_SQL: str = env.str("IDENTITY_MAP_SQL", default="")
_aftercare = """
Run the identity map's SQL in the application's database, and look at the rows that it prints
Restart the API and the UI: they looked the pool up at their start and keep its id
Redeploy the client stacks that import the pool's id
Let the identity pools name this pool and its app clients as their provider
Invite whoever still waits for an invitation
Reopen sign-up, if it was closed
Tell the users how they get in again
"""
_told_aftercare = [item.strip() for item in env.str("AFTERCARE", default="").split(";")]
AFTERCARE: list[str] = [item for item in _told_aftercare if item] or _aftercare.strip().splitlines()

# Who may do what. An empty list means nobody.
LOGIN_GROUPS: list[str] = env.list("LOGIN_GROUPS", default=["engineering"])
RESTORE_GROUPS: list[str] = env.list("RESTORE_GROUPS", default=["engineering"])
APPROVE_GROUPS: list[str] = env.list("APPROVE_GROUPS", default=["engineering"])
RESTORE_APPROVALS: str = env.str("RESTORE_APPROVALS", default="overwrite")
ACCESS_CONTACTS: str = env.str("ACCESS_CONTACTS", default="Iva or Pol")
SERVER_ID: str = env.str("SERVER_ID", default="cognito-admin")

# Whose restore is a matter of its own
PRIVILEGED_GROUPS: list[str] = env.list("PRIVILEGED_GROUPS", default=[])
APPLICATION_ADMIN_EMAILS: list[str] = env.list("APPLICATION_ADMIN_EMAILS", default=[])
OPERATOR_EMAILS: list[str] = env.list("OPERATOR_EMAILS", default=[])

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "csp",
    "django_htmx",
    "backups",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "backups.auth.SessionMiddleware",
    "django.contrib.auth.middleware.LoginRequiredMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
]
ROOT_URLCONF = "cognito_admin.urls"
ASGI_APPLICATION = "cognito_admin.asgi.application"
TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": False,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "backups.templatetags.context.site",
            ],
            "builtins": ["backups.templatetags.words"],
            "loaders": [
                (
                    "django.template.loaders.cached.Loader",
                    ["django.template.loaders.filesystem.Loader"],
                )
            ],
        },
    }
]

# Database: SQLite unless DATABASE_URL says otherwise
_local = BASE_DIR / "var" / "cognito-admin.sqlite3"
if "DATABASE_URL" not in env.ENVIRON:
    _local.parent.mkdir(exist_ok=True)
_engines = {env.DB_SCHEMES[scheme] for scheme in ("sqlite", "postgres")}


def _read_database(url: str) -> dict[str, Any]:
    try:
        if env.DB_SCHEMES.get(url.partition(":")[0]) in _engines:
            return env.db_url_config(url)  # type: ignore[no-untyped-call, no-any-return]
    except ValueError:
        pass  # a port that is none
    WRONG_SETTINGS["DATABASE_URL"] = "is no address of a database (postgres://… or sqlite:///…)"
    return {"ENGINE": "django.db.backends.dummy"}  # refuses everything: no other database is taken instead


LEASE_SECONDS: int = env.int("LEASE_SECONDS", default=30)
_database = _read_database(env.str("DATABASE_URL", default=f"sqlite:///{_local}"))
DATABASES: dict[str, dict[str, Any]] = {"default": _database}
if _database["ENGINE"].endswith("sqlite3"):
    _database["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA busy_timeout=20000;",
    }
else:
    # A worker that hangs in the middle of a write lets go of the rows when its lease is over.
    _given = _database.setdefault("OPTIONS", {})
    _idle = f"-c idle_in_transaction_session_timeout={LEASE_SECONDS * 1000}"
    _given["options"] = f"{_given.get('options', '')} {_idle}".strip()
    _database.setdefault("CONN_MAX_AGE", 60)
    _database.setdefault("CONN_HEALTH_CHECKS", True)
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# Broker and bell
REDIS_URL: str = env.str("REDIS_URL", default="redis://127.0.0.1:6379/0")
CELERY_BROKER_URL = REDIS_URL.replace("unix://", "redis+socket://", 1)
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = False
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
# What beat sends has a queue, and in production a worker, of its own: a job never delays an alarm or a sweep.
CELERY_TASK_DEFAULT_QUEUE = "periodic"
CELERY_TASK_STORE_EAGER_RESULT = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "socket_connect_timeout": 2,
    # A broker that is away costs the person who asks no waiting: the sweeper sends the job again.
    "max_retries": 1,
    "interval_start": 0,
    "interval_step": 0,
}
CELERY_TASK_PUBLISH_RETRY = False
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
SWEEP_SECONDS: float = env.float("SWEEP_SECONDS", default=10.0)
WATCH_SECONDS: float = env.float("WATCH_SECONDS", default=30.0)
LOOK_SECONDS: float = env.float("LOOK_SECONDS", default=300.0)
CELERY_BEAT_SCHEDULE = {
    "sweep": {"task": "backups.sweep", "schedule": SWEEP_SECONDS},
    "look": {"task": "backups.look", "schedule": 60.0},
    "index": {"task": "backups.index", "schedule": 120.0},
    "watch": {"task": "backups.watch", "schedule": WATCH_SECONDS},
    "deliver": {"task": "backups.deliver", "schedule": 30.0},
}

# Alarms: whom they are told to, beside the pages
PUBLIC_URL: str = env.str("PUBLIC_URL", default="").rstrip("/")
SLACK_WEBHOOK: str = env.str("SLACK_WEBHOOK", default="")
ALARM_WEBHOOK: str = env.str("ALARM_WEBHOOK", default="")
ALARM_WEBHOOK_KEY: str = env.str("ALARM_WEBHOOK_KEY", default="")
ALARM_EMAILS: list[str] = env.list("ALARM_EMAILS", default=[])
ALARM_FROM: str = env.str("ALARM_FROM", default="")
HEARTBEAT_URL: str = env.str("HEARTBEAT_URL", default="")
_mail_ports = {"smtp": 25, "smtps": 587, "smtp+tls": 587, "smtp+ssl": 465}


def _read_mail(url: str) -> dict[str, Any]:
    """Of an SMTP server; no name of a server without an address that can be read."""
    scheme = url.partition(":")[0]
    try:
        if scheme in _mail_ports and (told := env.email_url_config(url))["EMAIL_HOST"]:  # type: ignore[no-untyped-call]
            return {**told, "EMAIL_PORT": told["EMAIL_PORT"] or _mail_ports[scheme]}
    except ValueError:
        pass  # a port that is none
    if url:
        WRONG_SETTINGS["EMAIL_URL"] = "is no address of a mail server (smtp+tls://user:password@host:587)"
    return {}


_mail = _read_mail(env.str("EMAIL_URL", default=""))
EMAIL_BACKEND: str = _mail.get("EMAIL_BACKEND", "django.core.mail.backends.smtp.EmailBackend")
EMAIL_HOST: str = _mail.get("EMAIL_HOST", "")  # "": there is no mail
EMAIL_PORT: int = _mail.get("EMAIL_PORT", 25)
EMAIL_HOST_USER: str = _mail.get("EMAIL_HOST_USER") or ""
EMAIL_HOST_PASSWORD: str = _mail.get("EMAIL_HOST_PASSWORD") or ""
EMAIL_USE_TLS: bool = _mail.get("EMAIL_USE_TLS", False)
EMAIL_USE_SSL: bool = _mail.get("EMAIL_USE_SSL", False)
EMAIL_TIMEOUT = 10  # seconds, to connect and for each answer

# Sign-in and sessions
AUTH_USER_MODEL = "backups.Operator"
AUTHENTICATION_BACKENDS = ["backups.auth.OperatorBackend"]
LOGIN_URL = "sign-in"
LOGIN_REDIRECT_URL = "home"
SESSION_ENGINE = "django.contrib.sessions.backends.db"
SESSION_IDLE_SECONDS = 30 * 60
SESSION_ABSOLUTE_SECONDS = 8 * 60 * 60
SESSION_COOKIE_AGE = SESSION_ABSOLUTE_SECONDS
SESSION_COOKIE_NAME = "__Host-session" if PRODUCTION else "session"
SESSION_COOKIE_SECURE = PRODUCTION
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"  # docs/decisions/0002-session-cookie.md
CSRF_COOKIE_NAME = "__Host-csrf" if PRODUCTION else "csrf"
CSRF_COOKIE_SECURE = PRODUCTION
CSRF_COOKIE_SAMESITE = "Strict"
CSRF_COOKIE_HTTPONLY = True
CSRF_FAILURE_VIEW = "backups.views.errors.csrf_failure"
CHALLENGE_SECONDS = 120
CHALLENGES_PER_MINUTE = 30
IAM_RECHECK_SECONDS = 120
IAM_SILENT_SECONDS = 600
IDLE_EXEMPT_URL_NAMES = ["job-stream", "job-part"]

# The rest of the web
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"  # no-referrer would send Origin: null with forms
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
SECURE_SSL_REDIRECT = PRODUCTION
SECURE_REDIRECT_EXEMPT = [r"^health/$"]  # a probe asks by plain http
SECURE_HSTS_SECONDS = 31_536_000 if PRODUCTION else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = PRODUCTION
SECURE_HSTS_PRELOAD = PRODUCTION
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if TRUSTED_PROXIES else None
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
        "base-uri": [NONE],
    }
}
FILE_UPLOAD_HANDLERS = ["django.core.files.uploadhandler.TemporaryFileUploadHandler"]
DATA_UPLOAD_MAX_MEMORY_SIZE = 2_621_440
STATIC_URL = "static/"
STATIC_ROOT = BASE_DIR / "staticfiles" if PRODUCTION else None  # else they are served from where they lie
STATICFILES_DIRS = [BASE_DIR / "static"]
WHITENOISE_USE_FINDERS = not PRODUCTION
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"
        if PRODUCTION
        else "django.contrib.staticfiles.storage.StaticFilesStorage"
    },
}
USE_TZ = True
TIME_ZONE = "UTC"
USE_I18N = False
LANGUAGE_CODE = "en-gb"

# Logs: one line each, key and value, on stderr
LOG_LEVEL: str = env.str("LOG_LEVEL", default="INFO").upper()
if LOG_LEVEL not in logging.getLevelNamesMapping():
    WRONG_SETTINGS["LOG_LEVEL"] = "is no level (DEBUG, INFO, WARNING, ERROR)"
    LOG_LEVEL = "INFO"
_chain: list[Any] = [
    structlog.contextvars.merge_contextvars,
    structlog.processors.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    without_messages,
]
structlog.configure(
    processors=[*_chain, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
    logger_factory=structlog.stdlib.LoggerFactory(),
    cache_logger_on_first_use=True,
)
LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {
            "()": structlog.stdlib.ProcessorFormatter,
            "processor": structlog.processors.KeyValueRenderer(key_order=["timestamp", "level", "event"]),
            "foreign_pre_chain": _chain,
        }
    },
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["stderr"], "level": LOG_LEVEL},
    "loggers": {
        # At DEBUG these write signed headers and bodies; at INFO they chat about credentials.
        name: {"level": "WARNING"}
        for name in ("botocore", "boto3", "urllib3", "s3transfer", "asyncio")
    }
    # Their own handlers would write tracebacks with messages, beside ours.
    | {name: {"handlers": [], "propagate": True} for name in ("django", "uvicorn", "uvicorn.error")}
    # Access logs have the query, and with it the e-mail that somebody searched for.
    | {name: {"handlers": [], "propagate": False} for name in ("django.server", "uvicorn.access")},
}

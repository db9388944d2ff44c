"""What the engine needs from the world, as promises. Adapters keep them; fakes keep them too.

Every method may raise PortError. Its ``cause`` tells the machine what to do,
its message tells the reader what is still true.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol, TypeVar

from backups.core.expiry import Rule
from backups.core.mail import Ses
from backups.core.principal import Caller, Home, Standing
from backups.core.snapshot import Entry, Group, PoolFacts

T = TypeVar("T")


class Cause(StrEnum):
    """Why a call did not do what was asked."""

    THROTTLED = "throttled"  # nothing was done; wait and ask again
    LOST = "lost"  # the answer was lost: it may have been done, or not
    UNREACHABLE = "unreachable"  # no connection was made: nothing was done
    DENIED = "denied"  # our credentials may not do this
    GONE = "gone"  # the pool, the bucket or the group does not exist
    MISSING = "missing"  # this user or this object does not exist
    EXISTS = "exists"  # this user, group or object exists already
    REFUSED = "refused"  # AWS will refuse it again: a bad value, a state
    TRIGGER = "trigger"  # a trigger of the pool refused, or failed; what was done before it is not undone
    MAIL_LIMIT = "mail-limit"  # the day's mails are spent; no mail was sent
    DELIVERY = "delivery"  # the user may stand, but the mail was not delivered
    UNSUPPORTED = "unsupported"  # this operation does not exist here
    NO_ROOM = "no-room"  # this host cannot keep a temporary file: nothing was done


class PortError(Exception):
    """A call failed. ``cause`` is for the machine, the text for the reader."""

    def __init__(self, message: str, cause: Cause, *, code: str = "") -> None:
        super().__init__(message)
        self.cause = cause
        self.code = code  # AWS's own error code, for the log


class Stop(Exception):
    """Asked by a person or by the lease: end now, at a step's boundary."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why  # "pause" | "cancel" | "hand-back" | "lease-lost" | "failures" | "mail-limit"


class Clock(Protocol):
    def now(self) -> datetime:
        """Aware, UTC."""

    def monotonic(self) -> float:
        """Seconds; only differences mean anything."""

    def sleep(self, seconds: float) -> None: ...


class CallThrough(Protocol):
    """What a pool puts each of its AWS calls through: ``engine.pace.Pace.call``, or ``direct``."""

    def __call__(self, operation: str, do: Callable[[], T], /) -> T: ...


def direct(operation: str, do: Callable[[], T], /) -> T:
    """No pace: for a look, and for tests."""
    return do()


def never() -> bool:
    """Nobody asks to stop."""
    return False


def heard(call: CallThrough, stopping: Callable[[], bool]) -> CallThrough:
    """The same, but once ``stopping`` holds, Stop is raised in place of the next call, or of its next try."""

    def through(operation: str, do: Callable[[], T], /) -> T:
        def once() -> T:
            if stopping():
                raise Stop("cancel")
            return do()

        return call(operation, once)

    return through


class UserPool(Protocol):
    """One Cognito user pool. Safe to call from several threads."""

    def facts(self) -> PoolFacts:
        """DescribeUserPool, with the moment of AWS's answer. Raises GONE when the pool does not exist."""

    def users(self, prefix: str = "") -> Iterator[Entry]:
        """Every user, every page, as JSON values; a user may come twice, the order means nothing.

        ``prefix``: only those whose ``sub`` begins so. Eventually consistent on AWS: a user made a moment
        ago may be missing.
        """

    def groups(self, stopping: Callable[[], bool] = never) -> Iterator[Group]:
        """Every group, every page, without its members. Raises Stop once ``stopping`` holds."""

    def members(self, group: str, stopping: Callable[[], bool] = never) -> Iterator[str]:
        """The Username of every member, every page; one may come twice. Raises Stop once ``stopping`` holds.

        Raises GONE when the group does not exist, or its pool: AWS does not say which. An error names the
        group.
        """

    def settings(self, stopping: Callable[[], bool] = never) -> Iterator[tuple[str, Any, str]]:
        """(name, value as JSON, why it could not be read) for every readable setting.

        A secret of it is a core.sealed.Secret, which no writer of JSON takes. Never raises for one setting:
        its third value says why. Raises Stop in place of the next call once ``stopping`` holds.
        """

    def get_user(self, username: str) -> Entry:
        """AdminGetUser, in the shape of ListUsers. Consistent. Raises MISSING.

        With UserMFASettingList and PreferredMfaSetting for who has a second factor, which ListUsers never
        tells. Bills the user as active this month.
        """

    def groups_of(self, username: str) -> frozenset[str]:
        """AdminListGroupsForUser, every page."""

    def create_user(self, username: str, attributes: Mapping[str, str], *, invite: bool = False) -> Entry:
        """AdminCreateUser; SUPPRESS unless ``invite``, which mails a temporary password.

        Not repeatable: after LOST, DELIVERY or TRIGGER the user may exist. Raises EXISTS.
        """

    def resend_invitation(self, username: str) -> None:
        """AdminCreateUser with RESEND. Not repeatable after LOST or TRIGGER: a second mail might go out."""

    def set_password(self, username: str, password: str) -> None:
        """AdminSetUserPassword, permanent: the user becomes CONFIRMED. Repeatable."""

    def disable_user(self, username: str) -> None:
        """Repeatable."""

    def enable_user(self, username: str) -> None:
        """Repeatable."""

    def update_user(self, username: str, attributes: Mapping[str, str]) -> None:
        """AdminUpdateUserAttributes. Repeatable. An address without its ``*_verified`` would mail a code."""

    def delete_user(self, username: str) -> None:
        """AdminDeleteUser. Raises MISSING, which after LOST means that it was done."""

    def link_user(self, username: str, provider: str, subject: str) -> None:
        """AdminLinkProviderForUser: a native user signs in through ``provider`` too, as its ``subject``.

        Repeatable. Refused where the pool has no such provider, or its user exists on his own already.
        """

    def signed_in(self, username: str) -> bool | None:
        """Whether sign-ins or sessions of this user are recorded; None: this pool keeps no record."""

    def create_group(self, group: Group) -> None:
        """Raises EXISTS."""

    def add_to_group(self, username: str, group: str) -> None:
        """Repeatable."""

    def remove_from_group(self, username: str, group: str) -> None:
        """Repeatable."""


@dataclass(frozen=True, slots=True)
class Stored:
    """One object of a bucket."""

    key: str
    size: int
    modified: datetime
    etag: str  # changes when the bytes do; no MD5


@dataclass(frozen=True, slots=True)
class Version:
    """One version of an object, or a delete marker over the older ones."""

    key: str
    id: str  # as GetObject's VersionId wants it
    modified: datetime
    size: int | None  # None: a delete marker


@dataclass(frozen=True, slots=True)
class Head:
    """What HeadObject tells of how an object is kept. An empty value was not told: it is not "no"."""

    encryption: str = ""  # "AES256", "aws:kms arn:aws:kms:…"
    lock: str = ""  # Object Lock: GOVERNANCE | COMPLIANCE
    locked_until: datetime | None = None


class BackupStore(Protocol):
    """One bucket. Keys are whole keys."""

    bucket: str

    def list(self, prefix: str = "", after: str = "") -> Iterator[Stored]:
        """In key order, every page."""

    def open(self, key: str) -> Iterator[bytes]:
        """The plain bytes in chunks of at most 1 MiB. Raises MISSING before the first chunk."""

    def put(self, key: str, chunks: Iterable[bytes]) -> Stored:
        """Write once: raises EXISTS when the key has an object. Nothing stays on any error.

        Streams in parts: at most two of 8 MB are in memory.
        """

    def versions(self, key: str) -> int:
        """How many versions the key has; 1 where the bucket keeps none or does not tell."""

    def history(self, prefix: str = "") -> Iterator[Version]:
        """Every version and delete marker in key order, the latest of a key first; every page.

        The older versions come newest first; times are told in seconds, so a marker that is not the latest
        may come out of its turn among them. Raises DENIED where the bucket does not tell: that is not the
        same as one version each.
        """

    def head(self, key: str) -> Head:
        """HeadObject. Raises MISSING."""

    def rules(self) -> tuple[Rule, ...]:
        """The bucket's lifecycle rules that end objects; () when it has none. Raises DENIED."""

    def locks(self) -> bool:
        """Whether the bucket has Object Lock. Raises DENIED."""


class Report(Protocol):
    """Where the engine tells what it did. Everything told is durable when the next step begins."""

    def phase(self, name: str, total: int | None = None) -> None: ...

    def say(self, kind: str, text: str, **data: Any) -> None:
        """One line for the log on the page. No e-mail in clear: ``core.snapshot.mask``. Thread-safe."""

    def count(self, **counters: int) -> None:
        """Set counters; shown at most four times a second."""

    def intend(self, keys: Sequence[str], step: str = "") -> datetime:
        """Committed when this returns: these users are about to be written to. Returns when that was.

        ``step`` is "inviting" before invitations, which must never be repeated by mistake. The moment is
        of the one clock that all workers share, not of this host's.
        """

    def outcome(self, outcome: Outcome) -> None:
        """What has become of one user so far; the last word for its key wins. Thread-safe."""

    def keep_going(self) -> None:
        """Raises Stop. Asked before every step that writes."""

    def stopping(self) -> bool:
        """Whether the next ``keep_going`` will stop: asked before each user, cheap, from any thread."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The ledger's row of one user, as far as it has come."""

    key: str
    outcome: str = ""  # created | updated | deleted | skipped | failed; "" while steps remain
    # The last finished one: created attributes enabled disabled password groups linked confirmed inviting
    # invited; asked: a create that may have come through; of an undo: removed
    step: str = ""
    reason: str = ""  # code of core.plan.REASONS, or ""
    detail: str = ""  # AWS's words, where the reason is a refusal
    new_sub: str = ""
    new_username: str = ""
    messages: int = 0
    confirmed: bool = False


@dataclass(frozen=True, slots=True)
class Proof:
    """A signature over GetCallerIdentity, and what the server needs to write that request again.

    ``nonce``, ``date`` and ``server_id`` are the server's own; the other three came from outside
    and have been checked for their shape.
    """

    nonce: str
    date: str  # X-Amz-Date, 20261122T010000Z
    server_id: str
    key_id: str
    signature: str  # 64 lower case hex digits
    token: str = ""


class Identity(Protocol):
    """Who somebody is: STS for the proof, IAM for the person."""

    region: str
    host: str  # the STS host that a proof is signed for

    def home(self) -> Home:
        """Partition and account of our own credentials. Asked once per process."""

    def caller(self, proof: Proof) -> Caller:
        """Sends one GetCallerIdentity, written here from the proof. Never follows a redirect, never repeats.

        Raises REFUSED with STS's code when it does not accept the signature, UNREACHABLE when
        no connection was made, LOST when the answer is not exactly what STS promises.
        """

    def standing(self, name: str) -> Standing | None:
        """What IAM knows of one user now, uncached, every page; None when there is no such user."""


@dataclass(frozen=True, slots=True)
class Allowance:
    """What IAM says of one principal and some actions."""

    principal: str  # ARN of the user or role that was asked about
    denied: frozenset[str]  # of the actions that were asked about


class Account(Protocol):
    """What one account and Region allows, and the settings of its pools. Every call may be denied alone."""

    def allowed(self, actions: Sequence[str], resource: str, principal: str = "") -> Allowance:
        """SimulatePrincipalPolicy of ``principal``, an ARN; without one of our own credentials.

        Of iam:PassRole the resource is a role, and Cognito whom it is passed to. Raises UNSUPPORTED for
        root credentials, whose policies nobody simulates. What an organization denies on conditions is not
        seen.
        """

    def ses(self) -> Ses:
        """What SES allows in this Region, and who may send through it."""

    def describe(self, pool_id: str) -> dict[str, Any]:
        """DescribeUserPool, as JSON values."""

    def mfa(self, pool_id: str) -> dict[str, Any]:
        """GetUserPoolMfaConfig, as JSON values."""

    def role_of(self, pool_id: str) -> str:
        """PRIMARY or SECONDARY: what this Region's copy of the pool is; "" for a pool without replicas."""

    def update(self, pool_id: str, settings: Mapping[str, Any]) -> None:
        """UpdateUserPool: what is not in ``settings`` goes back to its default. Repeatable."""

    def add_attributes(self, pool_id: str, attributes: Sequence[Mapping[str, Any]]) -> None:
        """AddCustomAttributes: at most 25, all of them or none. They can never be changed or taken away.

        Refused where one exists already, which after LOST means that it may have been done.
        """

"""What a bucket tells of its own keeping: versions and delete markers, encryption and locks, what ends when.

Every answer may be denied alone, by a policy that lets backups be read and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from backups.core.expiry import Rule, rules_of
from backups.engine.ports import Head, PortError, Version

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

T = TypeVar("T")
PAGE = 1000


class Ask(Protocol):
    """One call of S3's that may be repeated; ``doing`` follows "Could not"."""

    def __call__(self, doing: str, do: Callable[[S3Client], T], /) -> T: ...


def history(ask: Ask, bucket: str, prefix: str) -> Iterator[Version]:
    """ListObjectVersions (s3:ListBucketVersions)."""
    parameters: dict[str, Any] = {"Bucket": bucket, "Prefix": prefix, "MaxKeys": PAGE}
    doing = f"list the versions in the bucket {bucket}"
    while True:
        page = ask(doing, lambda s3: s3.list_object_versions(**parameters))
        # A page has two lists, each in order; of one key the latest is the one that S3 calls so.
        found = [
            (
                entry["Key"].encode(),
                not entry["IsLatest"],
                -_seconds(entry),
                _version(entry),
            )
            for entry in (*page.get("Versions", ()), *page.get("DeleteMarkers", ()))
        ]
        for *_, version in sorted(found, key=lambda row: row[:3]):
            yield version
        if not page.get("IsTruncated"):
            return
        parameters["KeyMarker"] = page.get("NextKeyMarker", "")
        parameters["VersionIdMarker"] = page.get("NextVersionIdMarker", "")


def head(ask: Ask, bucket: str, key: str) -> Head:
    """HeadObject. The lock is told to whoever has s3:GetObjectRetention, and to others it looks like none."""
    told: Any = ask(
        f"look at {key} of the bucket {bucket}", lambda s3: s3.head_object(Bucket=bucket, Key=key)
    )
    until: datetime | None = told.get("ObjectLockRetainUntilDate")
    how = (told.get("ServerSideEncryption", ""), told.get("SSEKMSKeyId", ""))
    return Head(
        encryption=" ".join(filter(None, how)),
        lock=told.get("ObjectLockMode", ""),
        locked_until=until.astimezone(UTC) if until else None,
    )


def rules(ask: Ask, bucket: str) -> tuple[Rule, ...]:
    """GetBucketLifecycleConfiguration (s3:GetLifecycleConfiguration)."""
    try:
        told: Any = ask(
            f"read the lifecycle rules of the bucket {bucket}",
            lambda s3: s3.get_bucket_lifecycle_configuration(Bucket=bucket),
        )
    except PortError as error:
        if error.code == "NoSuchLifecycleConfiguration":
            return ()
        raise
    return rules_of(told.get("Rules", ()))


def locks(ask: Ask, bucket: str) -> bool:
    """GetObjectLockConfiguration (s3:GetBucketObjectLockConfiguration)."""
    try:
        told: Any = ask(
            f"ask the bucket {bucket} for its Object Lock",
            lambda s3: s3.get_object_lock_configuration(Bucket=bucket),
        )
    except PortError as error:
        if error.code == "ObjectLockConfigurationNotFoundError":
            return False
        raise
    return bool(told.get("ObjectLockConfiguration", {}).get("ObjectLockEnabled") == "Enabled")


def _seconds(entry: Any) -> float:
    return float(entry["LastModified"].timestamp())


def _version(entry: Any) -> Version:
    """A delete marker has no Size."""
    return Version(
        key=entry["Key"],
        id=entry["VersionId"],
        modified=entry["LastModified"].astimezone(UTC),
        size=entry.get("Size"),
    )

"""The bucket, through S3: the port ``BackupStore``.

Every write is conditional (If-None-Match: *), so that two writers of one key
leave one object, and the other is told. The condition looks at the current
version only: over a delete marker it holds, and the older versions stay below.
"""

from __future__ import annotations

import contextlib
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC
from itertools import count
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import uuid4

from backups.aws import storage
from backups.aws.errors import asking
from backups.aws.session import client
from backups.core.expiry import Rule
from backups.engine.ports import Cause, Head, PortError, Stored, Version

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import CompletedPartTypeDef

T = TypeVar("T")
PART = 8 * 1024 * 1024  # bytes; S3 wants 5 MiB at least, and takes 10,000 parts: 78 GiB
CHUNK = 1024 * 1024
PAGE = 1000
IN_FLIGHT = 2
WAITS = (0.1, 0.3, 0.9)  # seconds between tries
PASSING = frozenset({Cause.THROTTLED, Cause.LOST, Cause.UNREACHABLE})


class S3Store:
    """One bucket."""

    def __init__(self, bucket: str, *, region: str = "") -> None:
        self.bucket = bucket
        self._region = region

    def list(self, prefix: str = "", after: str = "") -> Iterator[Stored]:
        parameters: dict[str, Any] = {"Bucket": self.bucket, "Prefix": prefix, "MaxKeys": PAGE}
        if after:
            parameters["StartAfter"] = after
        while True:
            page = self._ask(f"list the bucket {self.bucket}", lambda s3: s3.list_objects_v2(**parameters))
            for entry in page.get("Contents", []):
                yield Stored(
                    key=entry["Key"],
                    size=entry["Size"],
                    modified=entry["LastModified"].astimezone(UTC),
                    etag=entry["ETag"].strip('"'),
                )
            if not page.get("NextContinuationToken"):
                return
            parameters["ContinuationToken"] = page["NextContinuationToken"]

    def open(self, key: str) -> Iterator[bytes]:
        doing = f"read {key} of the bucket {self.bucket}"
        body = self._ask(doing, lambda s3: s3.get_object(**self._at(key)))["Body"]

        def chunks() -> Iterator[bytes]:
            with contextlib.closing(body):
                while True:
                    with asking(doing):
                        chunk = body.read(CHUNK)
                    if not chunk:
                        return
                    yield chunk

        return chunks()

    def put(self, key: str, chunks: Iterable[bytes]) -> Stored:
        mark = {"put": uuid4().hex}  # kept with the object: a lost answer is settled by looking for it
        self._write(key, mark, _parts(chunks))
        head = self._ask(
            f"look at {key} of the bucket {self.bucket}", lambda s3: s3.head_object(**self._at(key))
        )
        return Stored(
            key, head["ContentLength"], head["LastModified"].astimezone(UTC), head["ETag"].strip('"')
        )

    def versions(self, key: str) -> int:
        found = 0
        try:
            for version in self.history(key):
                if version.key != key:  # keys come in order: past it only longer ones follow
                    break
                found += version.size is not None
        except PortError as error:
            if error.cause not in (Cause.DENIED, Cause.UNSUPPORTED):
                raise
            return 1
        return found or 1

    def history(self, prefix: str = "") -> Iterator[Version]:
        return storage.history(self._ask, self.bucket, prefix)

    def head(self, key: str) -> Head:
        return storage.head(self._ask, self.bucket, key)

    def rules(self) -> tuple[Rule, ...]:
        return storage.rules(self._ask, self.bucket)

    def locks(self) -> bool:
        return storage.locks(self._ask, self.bucket)

    # behind it

    def _at(self, key: str) -> dict[str, Any]:
        return {"Bucket": self.bucket, "Key": key}

    def _ask(self, doing: str, do: Callable[[S3Client], T]) -> T:
        """A call that may be repeated: what passes by itself is asked again, a few times."""
        for wait in WAITS:
            try:
                with asking(doing):
                    return do(client("s3", self._region))
            except PortError as error:
                if error.cause not in PASSING:
                    raise
            time.sleep(wait)
        with asking(doing):
            return do(client("s3", self._region))

    def _commit(self, key: str, mark: Mapping[str, str], do: Callable[[S3Client], Any]) -> None:
        """The one call that makes the object. Repeated; an answer that was lost is looked for."""
        doing = f"write {key} to the bucket {self.bucket}"
        lost = conflict = False
        for wait in (*WAITS, None):
            try:
                with asking(doing):
                    do(client("s3", self._region))
                return
            except PortError as error:
                lost |= error.cause is Cause.LOST
                if lost and self._holds(key, mark):
                    return
                if conflict and error.code == "NoSuchUpload":
                    # after a 409 S3 may have dropped the upload: the other writer has the key
                    raise PortError(
                        f"Could not {doing}: another one is writing it.", Cause.EXISTS, code=error.code
                    ) from None
                conflict |= error.code == "ConditionalRequestConflict"
                if error.cause not in PASSING or wait is None:
                    raise
            time.sleep(wait)

    def _holds(self, key: str, mark: Mapping[str, str]) -> bool:
        """Is the object that stands there ours?"""
        with contextlib.suppress(PortError):
            head = self._ask(
                f"look at {key} of the bucket {self.bucket}", lambda s3: s3.head_object(**self._at(key))
            )
            return mark.items() <= head["Metadata"].items()
        return False

    def _write(self, key: str, mark: Mapping[str, str], parts: Iterator[tuple[bytes, bool]]) -> None:
        """In one piece or in parts, as they come; a part is read only when at most one other is under way."""
        piece, last = next(parts)
        if last:
            self._commit(
                key,
                mark,
                lambda s3: s3.put_object(**self._at(key), Body=piece, Metadata=mark, IfNoneMatch="*"),
            )
            return
        doing = f"write {key} to the bucket {self.bucket}"
        upload = self._ask(doing, lambda s3: s3.create_multipart_upload(**self._at(key), Metadata=mark))[
            "UploadId"
        ]

        def send(number: int, piece: bytes) -> CompletedPartTypeDef:
            answer = self._ask(
                doing,
                lambda s3: s3.upload_part(**self._at(key), UploadId=upload, PartNumber=number, Body=piece),
            )
            return {"ETag": answer["ETag"], "PartNumber": number}

        done: list[CompletedPartTypeDef] = []
        under_way: deque[Future[CompletedPartTypeDef]] = deque()
        try:
            with ThreadPoolExecutor(IN_FLIGHT) as threads:
                for number in count(1):
                    under_way.append(threads.submit(send, number, piece))
                    del piece
                    if last:
                        break
                    if len(under_way) == IN_FLIGHT:
                        done.append(under_way.popleft().result())
                    piece, last = next(parts)
                done += [part.result() for part in under_way]
            self._commit(
                key,
                mark,
                lambda s3: s3.complete_multipart_upload(
                    **self._at(key), UploadId=upload, MultipartUpload={"Parts": done}, IfNoneMatch="*"
                ),
            )
        except BaseException:
            # also when the source of the chunks failed: parts that stay are billed and seen by nobody
            with contextlib.suppress(PortError):
                self._ask(doing, lambda s3: s3.abort_multipart_upload(**self._at(key), UploadId=upload))
            raise


def _parts(chunks: Iterable[bytes]) -> Iterator[tuple[bytes, bool]]:
    """(part, whether it is the last): all but the last have PART bytes, and there is always a last."""
    held = bytearray()
    for chunk in chunks:
        held += chunk
        while len(held) > PART:
            piece = bytes(memoryview(held)[:PART])
            del held[:PART]
            yield piece, False
            del piece
    yield bytes(held), True

"""Errors of the bucket of a user, which are not those of our own store."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from shared.errors import CrossdockError, Fault, ObjectMissing, StorageError
from shared.storage.base import ObjectStore


class BucketRefused(CrossdockError):
    """The bucket of the destination refuses: the message has what its server said."""

    code = "bucket_refused"
    fault = Fault.REMOTE

    def __init__(self, error: StorageError) -> None:
        super().__init__(f"the bucket of the destination: {error}")


class BucketUnavailable(BucketRefused):
    """The bucket of the destination does not answer, or not now: the message has what its server said."""

    code = "bucket_unavailable"
    retryable = True


async def is_there(bucket: ObjectStore, file: str, size: int) -> bool:
    """Tell whether an archive is in the bucket, as long as it was. Raises BucketRefused."""
    with at_bucket():
        try:
            return (await bucket.stat(file)).size == size
        except ObjectMissing:
            return False


@contextmanager
def at_bucket() -> Iterator[None]:
    """Tell errors of the destination's bucket from those of our own store, which cost no attempt."""
    try:
        yield
    except StorageError as error:
        raise (BucketUnavailable if error.retryable else BucketRefused)(error) from error

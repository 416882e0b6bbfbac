"""One bucket: its settings, the calls to it, and the translation of its errors."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Literal

import aiohttp
from aiohttp.abc import AbstractResolver
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError, IncompleteReadError
from botocore.exceptions import ConnectionError as BotoConnectionError

from shared.errors import ObjectMissing, StorageError
from shared.storage.errors import OperationFailed, OperationRefused
from shared.storage.s3_part_sizes import MIB, PartSizes
from shared.storage.s3_slots import Slots

HEADS_IN_FLIGHT = 32
"""How many sizes a process asks for at one time, by default."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outside:
    """How the bucket of a user is connected to: the environment of the process has no say in it.

    ``resolver`` gives the addresses of each name, and refuses those that may not be connected to. It is not
    asked for an address that stands in the endpoint itself: who opens the bucket checks that. Certificates
    are verified by ``tls``, or by the system's store.
    """

    resolver: AbstractResolver
    tls: ssl.SSLContext | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class S3Config:
    """The address of the bucket, and the limits of its use; sizes in bytes.

    Without keys the usual chain of AWS finds them (environment, profile, role of the pod), but never for a
    bucket that is ``outside``.
    ``addressing_style`` ``auto`` puts the bucket into the path where there is an ``endpoint_url``.
    """

    bucket: str
    prefix: str = ""
    endpoint_url: str | None = None
    region: str = "us-east-1"
    access_key: str | None = field(default=None, repr=False)
    secret_key: str | None = field(default=None, repr=False)
    addressing_style: Literal["auto", "path", "virtual"] = "auto"
    outside: Outside | None = None

    parts: PartSizes = field(default_factory=PartSizes)
    """The size of each part of an object; their sum bounds the object."""
    uploads_in_flight: int = 3
    """Parts in flight at one time, over all writers of the store."""
    larger_parts: int = 256 * MIB
    """Bytes of parts larger than the first ones that all writers of the store hold, unless one has more."""
    connections: int = 64
    """Must exceed the reads that are open at one time plus ``uploads_in_flight``. The client has as many, and
    so have presigned addresses, beside HEADs."""

    heads_in_flight: int = HEADS_IN_FLIGHT
    """HEADs in flight at one time, by presigned addresses."""

    attempts: int = 5
    """How often the client makes a call at most, after one request by a presigned address."""
    connect_timeout: timedelta = timedelta(seconds=5)
    read_timeout: timedelta = timedelta(seconds=60)
    """The longest silence of the server."""
    call_timeout: timedelta = timedelta(minutes=10)
    """The longest that one call takes with all its attempts."""


class Answer(dict[str, Any]):
    """An answer of S3, and each part of it. A member that is missing is an OperationRefused.

    Servers of users may leave out what S3 always has: what stands there may be no S3 at all.
    """

    def __init__(self, operation: str, key: str, given: Mapping[str, Any]) -> None:
        super().__init__({name: _wrapped(operation, key, value) for name, value in given.items()})
        self._about = operation, key

    def __missing__(self, name: str) -> Any:  # noqa: ANN401  # never returns
        operation, key = self._about
        raise OperationRefused(operation, key, reason=f"the answer has no {name}", cause="AnswerIncomplete")


def _wrapped(operation: str, key: str, value: object) -> object:
    if isinstance(value, dict):
        return Answer(operation, key, value)
    return [_wrapped(operation, key, each) for each in value] if isinstance(value, list) else value


@dataclass(frozen=True, slots=True)
class S3Bucket:
    """Calls of an aiobotocore client on one bucket, with a deadline and translated errors.

    ``slots`` bounds the parts in flight, ``larger`` the bytes of larger parts, in flight or not.
    """

    client: Any
    config: S3Config
    slots: asyncio.Semaphore
    larger: Slots

    async def call(self, operation: str, key: str = "", /, **parameters: object) -> Answer:
        """Make one call on the bucket; ``key`` is the object that errors name."""
        with translate_errors(operation, key):
            async with asyncio.timeout(self.config.call_timeout.total_seconds()):
                call = getattr(self.client, operation)
                return Answer(operation, key, await call(Bucket=self.config.bucket, **parameters))

    async def call_object(self, operation: str, key: str, /, **parameters: object) -> Answer:
        """Make one call on the object ``key``."""
        return await self.call(operation, key, Key=self.config.prefix + key, **parameters)

    async def presign(
        self,
        operation: str,
        key: str,
        parameters: Mapping[str, object],
        *,
        valid: timedelta,
        method: str | None = None,
    ) -> str:
        """Give the address of a call on the object ``key``; ``method`` is another than that of the call."""
        place = {"Bucket": self.config.bucket, "Key": self.config.prefix + key, **parameters}
        address: str = await self.client.generate_presigned_url(
            operation, Params=place, ExpiresIn=int(valid.total_seconds()), HttpMethod=method
        )
        return address

    async def pages(self, operation: str, **parameters: object) -> AsyncGenerator[Answer, None]:
        """Give the pages of a listing; each has the deadline."""
        paginator = self.client.get_paginator(operation)
        pages = aiter(paginator.paginate(Bucket=self.config.bucket, **parameters))
        while True:
            with translate_errors(operation, ""):
                async with asyncio.timeout(self.config.call_timeout.total_seconds()):
                    page = await anext(pages, None)
            if page is None:
                return
            yield Answer(operation, "", page)


_CONNECTION_ERRORS = (
    BotoConnectionError,
    HTTPClientError,
    IncompleteReadError,
    aiohttp.ClientError,
    OSError,  # also the deadline's TimeoutError
)
_PASSING_STATUS = {408, 412, 425, 429, 500, 502, 503, 504}
_PASSING_CODES = {
    "BadDigest", "IncompleteBody", "XAmzContentSHA256Mismatch",  # the bytes were damaged in transit
    "InvalidPart",  # the store took it and has lost it: upload again
    "NoSuchUpload",  # aborted, or completed by an attempt whose answer was lost: upload again
    "ConditionalRequestConflict", "OperationAborted",
    "InternalError", "RequestTimeout", "ServiceUnavailable", "SlowDown", "Throttling",
}  # fmt: skip
_MISSING_CODES = {"NoSuchKey", "NotFound", "404"}  # an answer to HEAD has no body, so no code either


@contextmanager
def translate_errors(operation: str, key: str) -> Iterator[None]:
    """Translate errors of botocore and aiohttp into errors of the port.

    Messages name the operation and what S3 said; the keys of the account are in none of them.
    """
    try:
        yield
    except ClientError as error:
        raise _answered(error.response, operation, key) from error
    except _CONNECTION_ERRORS as error:
        reason = str(error) or type(error).__name__
        raise OperationFailed(operation, key, reason=reason, cause=type(error).__name__) from error
    except BotoCoreError as error:
        raise OperationRefused(operation, key, reason=str(error), cause=type(error).__name__) from error


def _answered(response: dict[str, Any], operation: str, key: str) -> StorageError:
    code = response.get("Error", {}).get("Code", "")
    status = response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if code in _MISSING_CODES and key:
        return ObjectMissing(key)
    return refusal(operation, key, code=code, message=response["Error"].get("Message", ""), status=status)


def refusal(operation: str, key: str, *, code: str, message: str, status: int = 0) -> OperationFailed:
    """Make the error for an answer of S3; its code and status tell whether a retry helps."""
    passing = status in _PASSING_STATUS or code in _PASSING_CODES
    kind = OperationFailed if passing else OperationRefused
    return kind(operation, key, reason=f"{code} {message}".strip(), cause=code)

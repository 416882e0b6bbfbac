"""What an upload is, and what a request may do with it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from shared.errors import Conflict, Invalid, Refusal, TooLarge, Unprocessable

MOST_PIECES = 1000
"""The pieces of an upload from which on small neighbours are joined before it goes on."""

JOINED_AT_ONCE = 100
"""How many neighbours are joined to one piece: those that have the fewest bytes together."""


class UploadBusy(Refusal):
    """Another request of the upload has not ended, or came later, or the server is busy: try again."""

    code = "upload_busy"
    retryable = True

    def __init__(self, reason: str = "another request writes to the upload") -> None:
        super().__init__(reason)


class OffsetConflict(Conflict):
    """The bytes do not begin where those that are stored end: ask for the offset by HEAD."""

    code = "upload_offset_conflict"

    def __init__(self, given: int, *, offset: int) -> None:
        super().__init__(f"the upload goes on at byte {offset}, not at byte {given}")
        self.given = given
        self.offset = offset


class UploadTooLong(TooLarge):
    """There are more bytes than the length of the upload."""

    code = "upload_too_long"

    def __init__(self) -> None:
        super().__init__("the request has more bytes than the upload lacks")


class UploadLengthInvalid(Invalid):
    """The length of the upload is missing, known already, or below what is stored."""

    code = "upload_length_invalid"


class ChecksumUnknown(Invalid):
    """The header ``Upload-Checksum`` is malformed, or names an algorithm that is not supported."""

    code = "upload_checksum_unknown"


class ChecksumMismatch(Unprocessable):
    """The bytes have another digest than the header ``Upload-Checksum``: none of them was kept."""

    code = "upload_checksum_mismatch"

    def __init__(self) -> None:
        super().__init__("the bytes do not have the digest of Upload-Checksum")


class UploadUnfinished(Conflict):
    """The upload does not have all its bytes yet."""

    code = "upload_unfinished"

    def __init__(self, upload_id: int) -> None:
        super().__init__(f"upload {upload_id} does not have all its bytes yet")


class UploadDirect(Conflict):
    """The bytes of the upload go straight into the bucket, as parts: ask for their addresses."""

    code = "upload_direct"

    def __init__(self, upload_id: int) -> None:
        super().__init__(f"the bytes of upload {upload_id} go into the bucket, as parts")


class UploadFinished(Conflict):
    """The upload has all its bytes, and takes no more."""

    code = "upload_finished"


class UploadJoined(UploadFinished):
    """The upload was made of others, and takes no bytes."""

    code = "upload_joined"


class TooManyUploads(Conflict):
    """The user has as many unused uploads as one user may have: use or delete some first."""

    code = "too_many_uploads"

    def __init__(self, limit: int) -> None:
        super().__init__(f"over the limit of {limit} uploads of one user")


class PieceLost(UploadBusy):
    """The request was taken for dead while it wrote, and what it wrote is not part of the upload."""

    code = "upload_piece_lost"

    def __init__(self) -> None:
        super().__init__("the upload went on without this request")


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """An upload as it was when read.

    ``size`` is None until it is announced; ``received`` are the bytes that are stored. ``metadata`` is text
    of the client's, as it came. ``is_partial`` is true of one that is to become part of another; ``parts``
    are the numbers of those that one was made of. ``epoch`` is the number of the last request that came for
    it; ``is_written`` tells whether one writes to it. The bytes of one that ``is_direct`` do not pass through
    us.
    """

    id: int
    size: int | None
    received: int
    metadata: str
    is_partial: bool
    parts: Sequence[int] | None
    epoch: int
    is_written: bool
    is_direct: bool
    created_at: datetime
    expires_at: datetime

    @property
    def is_whole(self) -> bool:
        """Whether all bytes are stored."""
        return self.received == self.size


@dataclass(frozen=True, slots=True)
class Piece:
    """A stored piece of an upload: where it begins, its length, and its object."""

    position: int
    size: int
    object_id: int
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Checksum:
    """The digest that the bytes of a request are to have, by an algorithm of ``ALGORITHMS``."""

    algorithm: str
    digest: bytes


ALGORITHMS = ("sha256", "sha1")
"""The algorithms of checksums; some clients know SHA-1 alone."""


class PieceBody(Protocol):
    """The body of a request, which may be cut, or be broken off by another request.

    Its bytes end without an error either way; ``is_whole`` then tells that they are not all.
    """

    @property
    def is_whole(self) -> bool:
        """Whether the body has ended as it was announced."""
        ...

    def break_off(self) -> None:
        """End the body where it is, also while its next bytes are waited for."""

    def __aiter__(self) -> AsyncIterator[bytes]:
        """Give the bytes as they arrive."""
        ...

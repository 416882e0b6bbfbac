"""Objects that others write into the store themselves, in parts, by addresses: the port."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Protocol

from shared.errors import StorageError


class PartsRefused(StorageError):
    """The store does not have the parts that it was to make one object of: nothing was made."""

    code = "storage_parts_refused"
    retryable = False
    sentence = "the object storage does not have these parts"

    def __init__(self, key: str, *, reason: str) -> None:
        super().__init__(f"object {key!r} cannot be made of its parts: {reason}")


class DirectWrites(Protocol):
    """Writes of others. What is not completed goes by ``abort_uploads_of`` of the store.

    Every method may raise StorageError.
    """

    async def begin(self, key: str) -> str:
        """Begin to write an object, which is invisible until it is completed; give the id of that."""

    async def address_of(self, key: str, write: str, number: int, *, length: int, valid: timedelta) -> str:
        """Give the address to which anybody may PUT a part, of exactly ``length`` bytes.

        It can be asked for the time ``valid``, and for nothing else. Parts have numbers from 1 on, and all
        but the last at least 5 MiB. One that comes again replaces itself.
        """

    async def complete(self, key: str, write: str, etags: Sequence[str]) -> int:
        """Make the object of its parts, by their entity tags in order; give its size. May be repeated.

        Raises PartsRefused where there are other parts, or none.
        """

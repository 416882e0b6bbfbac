"""What a git server may fail to give without failing the import: its wiki, and LFS objects."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import TypeAlias

from shared.archive.events import ArchiveEvent, EntryAbandoned, EntryStarted
from shared.git.errors import PackCut, RepositoryError, RepositoryLimited
from shared.remote.errors import BlockedUrl, RemoteError
from shared.restore.failures import Failure, FailureLog

SERVER_ERRORS = (RepositoryError, RemoteError, BlockedUrl)
ServerError: TypeAlias = RepositoryError | RemoteError | BlockedUrl


@dataclass(frozen=True, slots=True, kw_only=True)
class Tolerance:
    """Leaves out what cannot be had, and tells why in ``failures``.

    What may be there at another time fails the attempt, so that all is tried again, unless it ``is_last``.
    """

    failures: FailureLog
    is_last: bool

    def ends_attempt(self, error: ServerError) -> bool:
        """Tell whether an error may pass, and there is another attempt to come."""
        return may_pass(error) and not self.is_last

    async def events(
        self, events: AsyncGenerator[ArchiveEvent, None], failure: Callable[[str], Failure]
    ) -> AsyncGenerator[ArchiveEvent, None]:
        """Give the events of one file, which may break off; ``failure`` makes one of the reason."""
        has_begun = False
        try:
            async with aclosing(events):
                async for event in events:
                    has_begun = has_begun or isinstance(event, EntryStarted)
                    yield event
        except SERVER_ERRORS as error:
            if self.ends_attempt(error):
                raise
            await self.failures.add(failure(error.shown))
            if has_begun:
                yield EntryAbandoned()


def may_pass(error: ServerError) -> bool:
    """Tell whether an error says nothing of what is there."""
    if isinstance(error, RepositoryError):
        return isinstance(error, (RepositoryLimited, PackCut))
    return error.retryable

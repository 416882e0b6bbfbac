"""Checks of repositories on other servers, before anything is created for them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from shared.git.errors import RepositoryError
from shared.git.smart_http import RemoteRepository
from shared.jobs.models import RemoteSource, SourceForm
from shared.outbound.remote_imports import RemoteImportPolicy
from shared.remote.errors import BlockedUrl, RemoteError
from shared.settings.application import ApplicationSettings
from shared.usecases.errors import FieldsInvalid, RemoteRepositoryRefused

DEADLINE = timedelta(seconds=10)
"""The time limit of a check; a large repository takes some seconds to list what it has."""


class RemoteRepositories:
    """Checks repositories on other servers, by the rules of the application settings."""

    def __init__(self, remote: RemoteImportPolicy) -> None:
        self._remote = remote

    async def find(self, url: str, settings: ApplicationSettings) -> RemoteSource:
        """Check that a repository is at ``url`` and may be read; return it as the source of an import.

        Raises BlockedUrl and RemoteRepositoryRefused.
        """
        with _refuse():
            remote = RemoteRepository(self._remote.client(settings), url, count=_count_nothing)
            async with asyncio.timeout(DEADLINE.total_seconds()):
                await remote.check()
        return RemoteSource(url=url, form=SourceForm.GIT)


@contextmanager
def name_field() -> Iterator[None]:
    """Tell of an address that is blocked as GitLab does of an attribute. Raises FieldsInvalid."""
    try:
        yield
    except BlockedUrl as error:
        raise FieldsInvalid({"import_url": [f"is blocked: {error}"]}, cause=error) from None


def _count_nothing(_received: int) -> None:
    """Count nothing: no job reads yet."""


@contextmanager
def _refuse() -> Iterator[None]:
    try:
        yield
    except (RepositoryError, RemoteError) as error:
        raise RemoteRepositoryRefused(error.shown, cause=error) from None
    except TimeoutError:
        raise RemoteRepositoryRefused(f"it did not answer within {DEADLINE.seconds} s") from None

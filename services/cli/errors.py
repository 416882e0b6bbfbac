"""What ends a command, each with its exit code: 0 is success, 2 also what typer says of wrong usage."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import ClassVar

from shared.errors import CrossdockError, Fault

_NO_UTF8 = re.compile("[\ud800-\udfff]")


def utf8(text: object) -> str:
    """Give a text with U+FFFD for each byte that is no UTF-8, as names of files may have."""
    return _NO_UTF8.sub("\N{REPLACEMENT CHARACTER}", str(text))


class CommandError(CrossdockError):
    """Ends the command with one line on stderr, whose sentence may name any file.

    ``document`` is what ``--json`` prints where more is known than the sentence.
    """

    code = "command"
    exit_code: ClassVar[int] = 1
    document: object = None

    def __init__(self, sentence: str) -> None:
        super().__init__(utf8(sentence))

    @property
    def error_code(self) -> str | None:
        """What ``--json`` prints beside the sentence."""
        return self.code


class JobFailed(CommandError):
    """The server took the job, and it did not end well."""

    code = "job_failed"
    fault = Fault.REMOTE


class ServerJobFailed(JobFailed):
    """A job of the server failed or was canceled. Its code is the server's; a GitLab has none."""

    def __init__(self, sentence: str, *, job_code: str | None) -> None:
        super().__init__(sentence)
        self.job_code = job_code

    @property
    def error_code(self) -> str | None:
        """See CommandError."""
        return self.job_code


class WaitTimedOut(JobFailed):
    """The job did not end within the time that the command waits; it goes on at the server."""

    code = "wait_timed_out"


class UsageError(CommandError):
    """What was asked for makes no sense here."""

    code = "usage"
    fault = Fault.CLIENT
    exit_code = 2


class RefusedByServer(CommandError):
    """The server answered that it does not do this; ``status`` is HTTP's, ``retry_after`` in seconds.

    The code is the server's where its answer has one.
    """

    code = "server_refused"
    fault = Fault.CLIENT
    exit_code = 3

    def __init__(
        self, status: int, message: str, *, code: str | None = None, retry_after: float | None = None
    ) -> None:
        super().__init__(f"the server refused: {message} (HTTP {status})")
        self.code = code or self.code
        self.status = status
        self.retry_after = retry_after


class ServerUnreachable(CommandError):
    """No useful answer: not connected, broken off, or an error of the server (5xx)."""

    code = "unreachable"
    fault = Fault.REMOTE
    retryable = True
    exit_code = 4


class UnintelligibleAnswer(ServerUnreachable):
    """An answer that is none of the API; asked again, the same server gives the same."""

    code = "unintelligible"
    retryable = False


@contextmanager
def attach_document(document: Callable[[CommandError], object]) -> Iterator[None]:
    """Give an error of the block the document that ``--json`` prints: what is known by then."""
    try:
        yield
    except CommandError as error:
        error.document = document(error)
        raise

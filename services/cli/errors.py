"""Errors that end a command, each with its exit code. Typer too exits with 2 for wrong usage."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import ClassVar

from shared.errors import CrossdockError, Fault

_NO_UTF8 = re.compile("[\ud800-\udfff]")


def utf8(text: object) -> str:
    """Replace every byte that is not UTF-8, which file names may contain, by U+FFFD."""
    return _NO_UTF8.sub("\N{REPLACEMENT CHARACTER}", str(text))


class CommandError(CrossdockError):
    """A command fails with a one-line message on stderr.

    ``document`` is the document that ``--json`` prints, if the command knows more than the message.
    """

    code = "command"
    exit_code: ClassVar[int] = 1
    document: object = None

    def __init__(self, sentence: str) -> None:
        super().__init__(utf8(sentence))

    @property
    def error_code(self) -> str | None:
        """The code that ``--json`` prints beside the message."""
        return self.code


class JobFailed(CommandError):
    """The server accepted the request, but the job did not succeed."""

    code = "job_failed"
    fault = Fault.REMOTE


class ServerJobFailed(JobFailed):
    """A job on the server failed or was canceled. ``job_code`` is the server's code; a GitLab has none."""

    def __init__(self, sentence: str, *, job_code: str | None) -> None:
        super().__init__(sentence)
        self.job_code = job_code

    @property
    def error_code(self) -> str | None:
        """See CommandError."""
        return self.job_code


class WaitTimedOut(JobFailed):
    """The job did not end within the timeout of the command; it continues on the server."""

    code = "wait_timed_out"


class UsageError(CommandError):
    """The arguments of the command are wrong, or the setup does not fit them."""

    code = "usage"
    fault = Fault.CLIENT
    exit_code = 2


class FileUnwritable(UsageError):
    """A file or a folder of this machine cannot be written: it is missing, full, or not yours."""

    code = "file_unwritable"

    def __init__(self, path: object, cause: OSError) -> None:
        super().__init__(f"cannot write {path}: {os.strerror(cause.errno or errno.EIO)}")


class RefusedByServer(CommandError):
    """The server refused the request with the HTTP ``status``. ``retry_after`` is in seconds.

    ``code`` is the code of the server's problem document, if the answer is one.
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
        self._message = message

    def with_hint(self, hint: str) -> RefusedByServer:
        """Give the same refusal with what one may do about it."""
        return RefusedByServer(
            self.status, f"{self._message}: {hint}", code=self.code, retry_after=self.retry_after
        )


class RefusedByGitHub(CommandError):
    """GitHub refused to tell of the repository."""

    code = "refused_by_github"
    fault = Fault.CLIENT
    exit_code = 3

    def __init__(self, cause: RefusedByServer) -> None:
        super().__init__(str(cause).replace("the server", "GitHub", 1))


class ServerUnreachable(CommandError):
    """The server gave no answer: no connection, a lost connection, or a server error (5xx)."""

    code = "unreachable"
    fault = Fault.REMOTE
    retryable = True
    exit_code = 4


class ServerAbsent(ServerUnreachable):
    """The server has never answered: it is not there, or the address is another one."""

    retryable = False


class TlsFailed(ServerUnreachable):
    """No encrypted connection comes about with the server as it is: a retry would end the same way."""

    code = "tls_failed"
    retryable = False


class ProxyRefused(ServerUnreachable):
    """The proxy does not connect to the server (4xx): it wants a password, or has a rule against it."""

    code = "proxy_refused"
    retryable = False


class UnintelligibleAnswer(ServerUnreachable):
    """The answer does not have the form of the API. A retry would return the same answer."""

    code = "unintelligible"
    retryable = False


@contextmanager
def attach_document(document: Callable[[CommandError], object]) -> Iterator[None]:
    """Attach to an error of the block the document that ``--json`` prints for it."""
    try:
        yield
    except CommandError as error:
        error.document = document(error)
        raise

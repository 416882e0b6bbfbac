"""The sentence that explains an error in a reply to a command."""

from __future__ import annotations

from services.api.gitlab.errors import text_of
from shared.errors import CrossdockError, TooLarge
from shared.usecases.errors import FieldsInvalid, JobEnded


def reason_of(error: CrossdockError) -> str:
    """Return GitLab's sentence for the error of the same HTTP request."""
    match error:
        case JobEnded():
            return "409 Conflict: the job has ended"
        case FieldsInvalid() | TooLarge():
            return str(error)
        case _:
            return text_of(error)

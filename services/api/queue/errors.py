"""Errors as answers to commands: one sentence, beside the status and the code."""

from __future__ import annotations

from services.api.gitlab.errors import text_of
from shared.errors import CrossdockError, TooLarge
from shared.usecases.errors import FieldsInvalid, JobEnded


def reason_of(error: CrossdockError) -> str:
    """Give the sentence, as GitLab words the error of the same request by HTTP."""
    match error:
        case JobEnded():
            return "409 Conflict: the job has ended"
        case FieldsInvalid() | TooLarge():
            return str(error)
        case _:
            return text_of(error)

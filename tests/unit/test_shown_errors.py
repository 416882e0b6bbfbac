"""What users read of an error names nothing that is ours: no key, bucket, host, path or SQL."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from shared.assembly.blocks import BlockCorrupt
from shared.broker.base import MessageRefused
from shared.database.check import DatabaseDown
from shared.errors import BrokerError, CrossdockError, ObjectMissing, StorageError
from shared.jobs.outages import JobCrashed, known_error
from shared.ledger.objects import BlobVanished
from tests.support.error_codes import coded

SECRET = "packs/0f/10.0.0.7:9000/var/lib/objects SELECT key FROM objects"
OURS = (StorageError, BrokerError, DatabaseDown, BlobVanished)
GIVEN: dict[str, Any] = {"str": SECRET, "int": 7, "bytes": b"7", "float": 7.0}


def _made(kind: type[CrossdockError]) -> CrossdockError:
    """Make an error whose every text is secret."""
    if kind.__init__ is Exception.__init__:
        return kind(SECRET)
    named = list(inspect.signature(kind).parameters.values())
    given = [GIVEN[str(each.annotation)] for each in named if each.kind is each.POSITIONAL_OR_KEYWORD]
    return kind(
        *given, **{each.name: GIVEN[str(each.annotation)] for each in named if each.kind is each.KEYWORD_ONLY}
    )


@pytest.mark.parametrize(
    "kind", [each for each in coded() if issubclass(each, OURS)], ids=lambda each: each.__name__
)
def test_what_users_read_of_an_error_of_our_servers_is_a_sentence(kind: type[CrossdockError]) -> None:
    error = _made(kind)
    assert error.shown
    for word in SECRET.split():
        assert word not in error.shown
    assert SECRET[:5] not in error.shown


def test_the_walk_finds_the_errors_that_a_job_can_meet() -> None:
    found = {each for each in coded() if issubclass(each, OURS)}
    assert found >= {ObjectMissing, BlockCorrupt, MessageRefused, DatabaseDown, BlobVanished}


@pytest.mark.parametrize("error", [OSError(111, SECRET), ValueError(SECRET), LookupError(SECRET)])
def test_what_users_read_of_an_unforeseen_error_is_its_class_alone(error: Exception) -> None:
    assert SECRET not in known_error(error).shown
    assert isinstance(known_error(error), (JobCrashed, DatabaseDown))

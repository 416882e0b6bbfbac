from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
import requests
import schemathesis
from schemathesis.checks import not_a_server_error
from schemathesis.generation import GenerationMode
from schemathesis.generation.feedback import NO_FEEDBACK
from schemathesis.pytest._test_builder import build_operation_test
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from services.api.pages.openapi.document import openapi_document
from tests.support.api import EXTERNAL_URL
from tests.support.background import background
from tests.support.closed import closed
from tests.support.databases import migrated_databases
from tests.support.described import World, world
from tests.support.operations import Request, request_of
from tests.support.postgres import PostgresServer

EXAMPLES = 3
READING = ("GET", "HEAD")
TIMES = 2
"""How often the same request that writes is made: the second may find what the first has left."""
SUCCESSFUL = (200, 201, 202, 204, 303)
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
CONFIG = {
    "seed": 1,
    "generation": {
        "deterministic": True,
        "database": "none",
        "max-examples": EXAMPLES,
        "with-security-parameters": False,
    },
    "phases": {
        "examples": {"enabled": False},
        "coverage": {"unexpected-methods": []},
        "fuzzing": {"error-feedback": {"enabled": False}},
    },
}
schemathesis.serializer.alias("application/x-ndjson", "application/octet-stream")
schemathesis.serializer.alias("application/gzip", "application/octet-stream")
schemathesis.serializer.alias("application/offset+octet-stream", "application/octet-stream")
schemathesis.serializer.alias("application/partial-upload", "application/octet-stream")
DOCUMENT = closed(openapi_document(EXTERNAL_URL))
SCHEMA = schemathesis.openapi.from_dict(DOCUMENT, config=schemathesis.Config.from_dict(CONFIG))
RESULTS: Any = SCHEMA.get_all_operations()
FOUND = [result.ok() for result in RESULTS]
FOR_NOBODY = ("authorizeImport", "authorizeRelationImport", "importGitHubGists")
WITHOUT_SERVER = (
    "testDestination", "importFromDestination", "exportToDestination", "listUploadParts", "completeUpload",
    "beginOpenIdConnect", "finishOpenIdConnect",
)  # fmt: skip
DIRECT = ("createUpload", "application/json")
"""What is refused where objects are files."""
OPERATIONS = [
    pytest.param(operation, media_type, id=f"{operation.label} {media_type or ''}".strip())
    for operation in FOUND
    if operation.definition.raw["operationId"] not in (*FOR_NOBODY, *WITHOUT_SERVER)
    for media_type in ([body.media_type for body in operation.body] or [None])
    if (operation.definition.raw["operationId"], media_type) != DIRECT
]
ALL = [pytest.param(operation, id=operation.label) for operation in FOUND]


@pytest.fixture(scope="module")
def running(postgres_server: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with ExitStack() as stack:
        beside = stack.enter_context(background())
        lending = stack.enter_context(migrated_databases(postgres_server))
        url = stack.enter_context(beside.opened(lending.lent()))
        folder = tmp_path_factory.mktemp("objects")
        yield stack.enter_context(beside.opened(world(url, folder, background=beside)))


@pytest.fixture(scope="module")
def session() -> Iterator[requests.Session]:
    with requests.Session() as session:
        session.trust_env = False  # it would look for proxies and passwords in the environment each time
        yield session


@pytest.mark.parametrize(("operation", "media_type"), OPERATIONS)
def test_every_operation_succeeds_as_described(
    operation: Any, media_type: str | None, running: World, session: requests.Session
) -> None:
    sent = request_of(running, operation, media_type)
    body = {} if sent.body is None else {"body": sent.body, "media_type": media_type}
    case = operation.Case(path_parameters=sent.path_parameters, query=sent.query, **body)

    answer = case.call_and_validate(str(running.api.url), session, sent.headers, checks=CHECKS)

    assert answer.status_code in SUCCESSFUL, answer.text
    running.reset()


@pytest.mark.parametrize("operation", ALL)
def test_whatever_is_sent_is_answered_as_described(
    operation: Any, running: World, session: requests.Session
) -> None:
    sent = request_of(running, operation)
    times = Counter[str]()

    def check(case: schemathesis.Case[Any]) -> None:
        _prepare(case, sent)
        times[_asked(case)] += 1
        if times[_asked(case)] > (1 if case.method in READING else TIMES):
            return
        case.call_and_validate(str(running.api.url), session, sent.headers, checks=CHECKS)
        if case.method not in READING:
            running.reset()

    # Its cases are made here: SCHEMA.parametrize() makes those of all operations in every worker.
    build_operation_test(
        config=SCHEMA.config, operation=operation, test_func=check, given_kwargs={}, feedback=NO_FEEDBACK
    )()


def _prepare(case: schemathesis.Case[Any], sent: Request) -> None:
    """Let a case that means well name what there is, and no case change what others need."""
    positive = case.meta is None or case.meta.generation.mode is GenerationMode.POSITIVE
    if positive or case.method not in READING:
        case.path_parameters = sent.path_parameters
    if positive and isinstance(case.body, dict) and isinstance(sent.body, dict):
        case.body = case.body | sent.body
    if "Sudo" in case.headers and case.path != "/api/v4/version":  # one is enough to try all sorts of names
        case.headers["Sudo"] = "root"


def _asked(case: schemathesis.Case[Any]) -> str:
    """Tell requests of an operation apart by all that the server sees of them."""
    headers = sorted(dict(case.headers).items())
    return repr((case.path_parameters, case.query, headers, case.cookies, case.media_type, case.body))

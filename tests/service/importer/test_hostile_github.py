"""A GitHub that answers what no GitHub does: an import ends all the same, and says what it could not take."""

from __future__ import annotations

import pytest

from tests.support.github.docked import GitHubDock, records
from tests.support.projects import files

DEEP = b"[" * 100_000 + b"]" * 100_000
LISTS = (
    "/labels", "/milestones", "/releases", "/pulls\\?", "/issues\\?", "/pulls/comments", "/issues/1/timeline",
    "/issues/3/timeline", "/branches\\?", "/branches/main/protection",
)  # fmt: skip
ITEMS = (
    b"null", b"1", b'"x"', b"[]", b"{}", b"true",
    b'{"id": %s, "number": %s, "name": %s}' % ((b"9" * 4000,) * 3),
    b'{"id": -1, "number": -1, "name": -1, "event": -1, "pull_request_url": -1}',
    b'{"number": 1, "title": "\\u0000", "name": "\\u0000", "tag_name": "\\u0000", "event": "\\u0000"}',
    b'{"number": 1, "created_at": "9999-99-99T00:00:00Z", "updated_at": "0000-00-00T00:00:00Z"}',
    b'{"event": "commented", "id": 1, "created_at": "9999-12-31T23:59:59-23:59", "updated_at": "1"}',
    b'{"name": "../../etc/passwd", "pull_request_url": "x/999999999999999999999999", "pull_request": 1}',
    b'{"number": 1.5e300, "id": 1e400}',
)  # fmt: skip
WHOLE = (b"", b"{}", b"null", b"[", b"[1,", b"\xff\xfe", DEEP, b'[{"title": "\\ud800"}]')


@pytest.mark.parametrize("item", ITEMS, ids=range(len(ITEMS)))
async def test_items_of_any_form_end_no_import(hub: GitHubDock, item: bytes) -> None:
    repository = hub.everything()
    for path in LISTS:
        hub.github.say(path, item if path.endswith("protection") else b"[%s, %s]" % (item, item))
    imported = await hub.run(repository)
    assert imported.error is None
    out = files(await hub.dock.run_export())
    assert records(out, "issues") == records(out, "merge_requests") == []


@pytest.mark.parametrize("body", WHOLE, ids=range(len(WHOLE)))
@pytest.mark.parametrize("path", ["/labels", "/issues/1/timeline", "/branches/main/protection"])
async def test_answers_of_any_form_are_known_errors_or_failures(
    hub: GitHubDock, path: str, body: bytes
) -> None:
    repository = hub.everything()
    hub.github.say(path, body)
    imported = await hub.run(repository)
    assert imported.error is None or "gave no JSON" in imported.error


@pytest.mark.parametrize(
    "body", [*WHOLE, b'{"id": 1}', b'{"id": 1, "full_name": "x", "clone_url": "file:///etc"}']
)
async def test_a_repository_of_any_form_is_a_known_error(hub: GitHubDock, body: bytes) -> None:
    repository = hub.everything()
    hub.github.say(f"^/repositories/{repository.stamp.id}$", body)
    imported = await hub.run(repository, attachments_import=True)
    assert imported.error is not None

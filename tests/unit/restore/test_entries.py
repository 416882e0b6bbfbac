from __future__ import annotations

import hashlib
import threading

import pytest

from shared.git.bundle_header import InvalidBundle
from shared.gitlab.layout import relation_of
from shared.gitlab.project_json import ProjectDocument
from shared.gitlab.version import VersionFile
from shared.restore.entries import close_verifier, lfs_failure, verifier_of
from shared.restore.verifiers import BundleFile, NullVerifier, TolerantVerifier, Verifier
from tests.support.projects import bundle


@pytest.mark.parametrize(
    ("name", "relation"),
    [
        ("tree/project/issues.ndjson", "issues"),
        ("tree/project/of.our.own.ndjson", "of.our.own"),
        ("tree/project/.ndjson", None),
        ("tree/project/x/y.ndjson", None),
        ("tree/project/issues.ndjson.gz", None),
        ("tree/projects/issues.ndjson", None),
        ("x/tree/project/issues.ndjson", None),
        ("tree/groups/1/issues.ndjson", None),
        ("tree/project.ndjson", None),
        ("uploads/0/issues.ndjson", None),
        ("issues.ndjson", None),
    ],
)
def test_only_lines_right_below_tree_project_are_a_relation(name: str, relation: str | None) -> None:
    assert relation_of(name) == relation


@pytest.mark.parametrize(
    ("name", "check"),
    [
        ("VERSION", VersionFile),
        ("uploads/VERSION", NullVerifier),
        ("tree/project.json", ProjectDocument),
        ("project.json", NullVerifier),
        ("project.bundle", BundleFile),
        ("project.wiki.bundle", BundleFile),
        ("project.design.bundle", BundleFile),
        ("project.other.bundle", NullVerifier),
        ("uploads/project.bundle", NullVerifier),
        ("snippets/0.bundle", TolerantVerifier),
        ("snippets/0/1.bundle", NullVerifier),
        ("lfs-objects.json", TolerantVerifier),
        ("lfs-objects/0", NullVerifier),
        ("lfs-objects/0/1", NullVerifier),
        ("GITLAB_VERSION", NullVerifier),
        ("tree/project/.ndjson", NullVerifier),
    ],
)
def test_each_file_has_its_check(name: str, check: type[Verifier]) -> None:
    assert type(verifier_of(name)) is check


def test_an_lfs_object_is_what_its_name_says() -> None:
    sha256 = hashlib.sha256(b"data")
    for oid, good in ((sha256.hexdigest(), True), ("0" * 64, False), ("x" * 300, False)):
        failure = lfs_failure(oid, sha256.digest())
        assert (failure is None) == good
        assert good or (failure and (failure.relation, failure.line_number) == ("lfs_objects", None))


def test_a_bad_bundle_of_a_snippet_is_a_failure_and_one_of_the_project_an_error() -> None:
    good, bad = bundle(), bundle()[:-1] + b"!"
    for name in ("project.bundle", "snippets/0.bundle"):
        check = verifier_of(name)
        check.feed(good)
        assert check.close() is None
    snippet = verifier_of("snippets/0.bundle")
    snippet.feed(b"no bundle at all")
    snippet.feed(b"what follows an error is not looked at")
    failure = snippet.close()
    assert failure
    assert (failure.relation, failure.source) == ("snippets", "SnippetRepoRestorer#restore")
    check = verifier_of("project.bundle")
    check.feed(bad)
    with pytest.raises(InvalidBundle):
        check.close()


@pytest.mark.parametrize(
    ("name", "parses"),
    [
        ("tree/project.json", True),
        ("lfs-objects.json", True),
        ("project.bundle", True),
        ("snippets/0.bundle", True),
        ("VERSION", False),
        ("lfs-objects/0", False),
        ("uploads/a", False),
    ],
)
def test_documents_and_headers_of_bundles_are_parsed(name: str, *, parses: bool) -> None:
    assert verifier_of(name).parses is parses


@pytest.mark.parametrize("name", ["project.bundle", "snippets/0.bundle"])
def test_the_pack_of_a_bundle_is_not_parsed(name: str) -> None:
    check = verifier_of(name)
    check.feed(bundle())
    assert not check.parses


def test_what_is_left_out_already_is_not_parsed() -> None:
    check = verifier_of("snippets/0.bundle")
    check.feed(b"no bundle at all\n")
    assert not check.parses


@pytest.mark.parametrize("parses", [True, False])
async def test_what_has_a_document_to_parse_is_closed_on_a_thread(*, parses: bool) -> None:
    seen = []

    class Noted(NullVerifier):
        def close(self) -> None:
            seen.append(threading.current_thread())

    verifier = Noted()
    verifier.parses = parses
    assert await close_verifier(verifier) is None
    assert [thread is not threading.current_thread() for thread in seen] == [parses]

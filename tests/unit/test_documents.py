"""Documents name files and tests that exist: what moves takes its names in the documents along."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCUMENTS = [
    *(ROOT / name for name in ("ARCHITECTURE.md", "CONTRIBUTING.md", "README.md", "SECURITY.md")),
    *(ROOT / name / "README.md" for name in ("deploy", "tests/benchmarks")),
    *sorted(ROOT.glob("services/**/README.md")),
]
_TOP = ("deploy/", "services/", "shared/", "tests/")
_PLACEHOLDER = "NNNN_name"
_PATH = re.compile(r"(?<![\w./:$-])[\w.*/-]*[\w*/]")
_TEST = re.compile(r"`(test_\w+)`")
_DEFINED = re.compile(r"^(?:async )?def (test_\w+)", re.MULTILINE)
_HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)
_ANCHORED = re.compile(r"\]\(([^):#]*)#([^)]+)\)")
_LINK = re.compile(r"\]\(([^)#:]+)\)")


def named(text: str, folder: Path) -> Iterator[tuple[str, list[Path]]]:
    """Give every path that a document in ``folder`` names, and the folders in one of which it may be.

    Names that begin at the top; names of links; and names of modules, which may be in a folder that their
    line has named before.
    """
    for line in text.splitlines():
        around = [ROOT, folder]
        for link in _LINK.findall(line):
            yield link, [folder]
        for name in _PATH.findall(line):
            if name.startswith(_TOP):
                around.append(ROOT / name)
                yield name, [ROOT]
            elif name.endswith(".py"):
                yield name, around


def missing(text: str, folder: Path) -> list[str]:
    """Name what a document in ``folder`` names, and nobody finds."""
    return [
        name
        for name, folders in named(text, folder)
        if not any(any(each.glob(name.replace(_PLACEHOLDER, "*").rstrip("/"))) for each in folders)
    ]


def test_the_list_of_differences_from_gitlab_is_found_from_the_readme() -> None:
    assert ROOT / "services/api/gitlab/README.md" in DOCUMENTS
    assert "](services/api/gitlab/README.md)" in (ROOT / "README.md").read_text()


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda each: str(each.relative_to(ROOT)))
def test_every_file_that_a_document_names_exists(document: Path) -> None:
    assert missing(document.read_text(), document.parent) == []


def _anchors(text: str) -> set[str]:
    """Give the anchors of a document's headings, as GitLab and GitHub make them."""
    kept = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in _HEADING.findall(text))
    return {heading.replace(" ", "-") for heading in kept}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda each: str(each.relative_to(ROOT)))
def test_every_link_to_a_heading_leads_there(document: Path) -> None:
    for name, anchor in _ANCHORED.findall(document.read_text()):
        assert anchor in _anchors((document.parent / name if name else document).read_text()), (name, anchor)


@pytest.mark.parametrize(
    ("document", "table", "least"), [("SECURITY.md", "attack", 20), ("ARCHITECTURE.md", "promise", 10)]
)
def test_each_attack_and_each_promise_names_tests_and_these_exist(
    document: str, table: str, least: int
) -> None:
    tests = [path.read_text() for path in (ROOT / "tests").rglob("test_*.py")]
    defined = {name for text in tests for name in _DEFINED.findall(text)}
    body = (ROOT / document).read_text().partition(f"| {table} |")[2].partition("\n\n")[0]
    rows = [_TEST.findall(row) for row in body.splitlines()[2:]]
    assert len(rows) > least
    assert [] not in rows
    assert {name for row in rows for name in row} - defined == set()


def test_the_threat_model_leads_to_the_promises() -> None:
    assert "](ARCHITECTURE.md#the-promises)" in (ROOT / "SECURITY.md").read_text()


@pytest.mark.parametrize(
    ("text", "gone"),
    [
        ("shared/errors.py", []),
        ("`shared/gone.py` has it", ["shared/gone.py"]),
        ("in tests/gone, and tests/unit", ["tests/gone"]),
        ("| shared/jobs | `worker.py`, `gone.py` |", ["gone.py"]),
        ("worker.py, before shared/jobs is named", ["worker.py"]),
        ("[this](README.md), [that](services/gone/README.md)", ["services/gone/README.md"] * 2),
        ("[elsewhere](https://example.org/shared/gone.py) and [below](#shared)", []),
        ("`shared/database/migrations/NNNN_name.up.sql`, make ARGS=tests/unit/archive", []),
        ("a run of $HOME/shared/gone.py", []),
    ],
)
def test_what_is_gone_is_found(text: str, gone: list[str]) -> None:
    assert missing(text, ROOT) == gone

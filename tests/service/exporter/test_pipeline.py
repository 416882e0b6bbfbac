"""Any small project goes in and comes out: judged by Python's tarfile and by GNU tar and gzip."""

from __future__ import annotations

import asyncio
from random import Random

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.contents import assert_accepted_by_gnu, assert_round_trip, contents
from tests.support.projects import PROJECT, VERSION, Dock, Files, archive, files

KIB, MIB = 1024, 1024 * 1024
SIZES = [0, 1, 511, 512, 513, KIB, KIB + 1, 64 * KIB - 1, 64 * KIB, 64 * KIB + 1, 300 * KIB, MIB, MIB + 1]
LENGTHS = [1, 2, 30, 88, 89, 90, 91, 92, 93, 143, 144, 145, 246, 247, 248, 255, 300]

_LINES = {
    b'{"title":"a"}\n': True,
    b' {"title" : "\\u003c\xe2\x9c\x93"}\r\n': True,
    b'{"title":"%s"}\n' % (b"x" * 250): True,
    b"null\n": True,
    b"\n": True,  # left out without a failure
    b"1\n": False,
    b"{\n": False,
    b'{"title":""}\n': False,
    b'{"title":"\xff"}\n': False,
}


def _noise(size: int) -> bytes:
    return Random(size).randbytes(size)  # noqa: S311  # the same every time


@st.composite
def _blob(draw: st.DrawFn) -> bytes:
    size, dull = draw(st.sampled_from(SIZES)), draw(st.booleans())
    return b"dull" * (size // 4) + b"." * (size % 4) if dull else _noise(size)


@st.composite
def _name(draw: st.DrawFn) -> str:
    """Under uploads, of a length in bytes near where headers change their form."""
    text = draw(st.text("abc-. \u00e9\u2713\U0001f680\\", min_size=1, max_size=5))
    name = (text * 300).encode()[: draw(st.sampled_from(LENGTHS))].decode(errors="ignore")
    return f"uploads/{draw(st.sampled_from(['', 'd/', 'd/e/', 'd-/', 'd./']))}n{name}"


@st.composite
def _project(draw: st.DrawFn) -> Files:
    names = draw(st.lists(_name(), unique=True, max_size=8))
    relations = draw(
        st.dictionaries(st.sampled_from(["issues", "labels", "milestones"]), st.just(0), max_size=3)
    )
    found = [(name, draw(_blob())) for name in names]
    for relation in relations:
        lines = draw(st.lists(st.sampled_from(sorted(_LINES)), max_size=6)) * draw(
            st.sampled_from([1, 1, 5000])
        )
        data = b"".join(lines)
        found.append(
            (f"tree/project/{relation}.ndjson", data.removesuffix(b"\n") if draw(st.booleans()) else data)
        )
    directories = draw(
        st.sampled_from([[], ["tree/", "tree/project/", "uploads/", "uploads/d/", "empty/in/"]])
    )
    found += [VERSION, PROJECT, *((name, b"") for name in directories)]
    return draw(st.permutations(found))


def _failed(project: Files) -> set[tuple[str, int]]:
    return {
        (relation, number)
        for name, data in project
        if (relation := name.removeprefix("tree/project/").removesuffix(".ndjson")) != name
        for number, line in enumerate(data.splitlines(keepends=True))
        if not (_LINES[line] if line in _LINES else _LINES[line + b"\n"])
    }


@settings(
    max_examples=30,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(_project())
async def test_any_project_comes_out_as_it_went_in(dock: Dock, made: Files) -> None:
    source, out = dock.root / "source", dock.root / "out"
    source.write_bytes(archive(made))
    imported = await dock.run_import(source.read_bytes())
    assert imported.error is None
    found = {(failure.relation, failure.line_number) for failure in await dock.failures(imported)}
    assert found == _failed(made)
    exported = await dock.run_export()
    out.write_bytes(exported)
    assert_round_trip(contents(source), contents(out), failed=_failed(made))
    listed = await asyncio.to_thread(assert_accepted_by_gnu, out)
    assert len(listed) == len(set(listed))
    assert {name for name, _ in made} <= {*files(exported)}
    assert (await dock.run_import(exported)).error is None
    assert await dock.run_export() == exported

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from shared.restore import failure_writer as failures_module
from shared.restore.failures import Failure
from tests.support.jobs import claimed
from tests.support.projects import Dock, ndjson, project

GOOD = b'{"title":"t"}'


def _told(failures: list[Any]) -> list[tuple[str, int | None, str]]:
    return [(failure.relation, failure.line_number, failure.exception_class) for failure in failures]


@pytest.mark.parametrize(
    ("data", "kept"),
    [
        (b"", b""),
        (ndjson(GOOD, GOOD), ndjson(GOOD, GOOD)),
        (GOOD, GOOD),
        (ndjson(GOOD) + GOOD, ndjson(GOOD) + GOOD),
        (ndjson(b'{"title":"t"}\r', b'{"title":"u"}\r'), ndjson(b'{"title":"t"}\r', b'{"title":"u"}\r')),
        (b"null", b"null"),
        (ndjson(b"null", GOOD), ndjson(b"null", GOOD)),
        (b"\n" + ndjson(GOOD, b" \t", GOOD, b"\r") + b"\n", ndjson(GOOD, GOOD)),
        (b"\n\n\n", b""),
        (ndjson(b' { "title" : "\\u003c\\/" } '), ndjson(b' { "title" : "\\u003c\\/" } ')),
    ],
)
async def test_lines_are_kept_byte_for_byte_and_blank_ones_left_out(
    dock: Dock, data: bytes, kept: bytes
) -> None:
    imported = await dock.run_import(project(labels=data))
    assert await dock.failures(imported) == []
    assert (await dock.round_trip(project(labels=data)))["tree/project/labels.ndjson"] == kept


async def test_relations_that_nobody_knows_are_kept(dock: Dock) -> None:
    relations = {"metrics_setting": b'{"a":1}', "x y": ndjson(b'{"b":2}'), "\u00e9": ndjson(b"{}")}
    out = await dock.round_trip(project(**relations))
    assert {name: out[f"tree/project/{name}.ndjson"] for name in relations} == relations


async def test_lines_elsewhere_are_bytes_and_not_looked_at(dock: Dock) -> None:
    names = [
        "tree/project/x/y.ndjson", "tree/project/.ndjson", "uploads/0/issues.ndjson", "a.ndjson",
        "tree/other/labels.ndjson", "tree/project/labels.json", "any/thing",
    ]  # fmt: skip
    odd = dict.fromkeys(names, b"no json\n\n\xff")
    packed = project(*odd.items())
    imported = await dock.run_import(packed)
    assert (imported.error, imported.progress.relations) == (None, {})
    out = await dock.round_trip(packed)
    assert {name: out[name] for name in odd} == odd


async def test_a_failure_says_which_line_of_which_relation_and_why(dock: Dock) -> None:
    lines = [
        GOOD, b"", b"[1]", b"{", b'{"iid":7}', GOOD, b'{"title":"\xff"}', b"null",
        b'{"title":"%s"}' % (b"x" * 300),
    ]  # fmt: skip
    imported = await dock.run_import(project(issues=ndjson(*lines), weird=b'"s"'))
    found = await dock.failures(imported)
    assert _told(found) == [
        ("issues", 2, "TypeError"),
        ("issues", 3, "JSON::ParserError"),
        ("issues", 4, "ActiveRecord::RecordInvalid"),
        ("issues", 6, "EncodingError"),
        ("issues", 8, "ActiveRecord::RecordInvalid"),
        ("weird", 0, "TypeError"),
    ]
    assert {failure.source for failure in found} == {"process_relation_item!"}
    assert found[2].exception_message == "Validation failed: Title can't be blank"
    rows = await dock.pool.fetch("SELECT external_identifiers FROM failed_relations ORDER BY id")
    assert [row[0] for row in rows] == [{}, {}, {"iid": 7}, {}, {}, {}]
    counted = {name: (count.lines, count.failed) for name, count in imported.progress.relations.items()}
    assert counted == {"issues": (2, 5), "weird": (0, 1)}


async def test_messages_and_names_of_any_length_are_cut_to_255_characters(dock: Dock) -> None:
    imported = await dock.run_import(project(**{"r" * 300: b"{" * 300 + b"\x00" * 300}))
    (failure,) = await dock.failures(imported)
    assert (len(failure.relation), failure.relation) == (255, "r" * 255)
    assert len(failure.exception_message) <= 255


async def test_nul_in_a_message_can_be_kept(dock: Dock) -> None:
    lease = await claimed(dock.pool, await dock.order_import(project()))
    failures = failures_module.FailureWriter(dock.pool, lease)
    await failures.add(Failure(relation="r", line_number=0, exception_class="E", message="a\0" * 200))
    await failures.flush()
    message = await dock.pool.fetchval("SELECT exception_message FROM failed_relations")
    assert message == ("a\\u0000" * 200)[:255]


async def test_thousands_of_failures_keep_their_order_and_wait_in_bounded_batches(
    dock: Dock, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting = []
    flush = failures_module.FailureWriter.flush

    async def spying(self: failures_module.FailureWriter) -> None:
        waiting.append(len(self._waiting))
        await flush(self)

    monkeypatch.setattr(failures_module.FailureWriter, "flush", spying)
    lines = ndjson(*(b"%d" % n if n % 2 else GOOD for n in range(5001)))
    imported = await dock.run_import(project(issues=lines, labels=b"1\n2"))
    numbers = [(failure.relation, failure.line_number) for failure in await dock.failures(imported)]
    assert numbers == [*(("issues", n) for n in range(1, 5001, 2)), ("labels", 0), ("labels", 1)]
    assert waiting == [500] * 5 + [2]


async def test_a_broken_archive_leaves_what_was_wrong_before_it_broke(dock: Dock) -> None:
    packed = project(labels=b"1\n2\n", milestones=b"x" * 20_000)
    imported = await dock.run_import(packed[: len(packed) - 100])
    assert imported.error
    assert [failure.line_number for failure in await dock.failures(imported)][:2] == [0, 1]


async def test_progress_tells_of_relations_whose_names_are_short_and_plain(dock: Dock) -> None:
    names = ("labels", "r" * 100, "r" * 101, "a b", "\u00e9")
    imported = await dock.run_import(project(**dict.fromkeys(names, b"{}")))
    assert list(imported.progress.relations) == ["labels", "r" * 100]


async def test_nonsense_without_end_fails_the_import(dock: Dock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.restore.failures.FAILURE_LIMIT", 1000)
    assert (await dock.run_import(project(labels=b"1\n" * 1000))).error is None
    imported = await dock.run_import(project(labels=b"1\n" * 1001))
    assert imported.error
    assert imported.error.endswith("- over the limit of 1000 failed records, reached in labels")


async def test_a_line_and_a_nesting_over_the_limit_are_failures_and_others_stay(dock: Dock) -> None:
    dock.limits = replace(dock.limits, line=100, depth=5)
    fits = b'{"x":"%s"}' % (b"y" * 92)
    lines = [b"{}", fits, fits.replace(b"y", b"yy", 1), b'{"x":[[[[1]]]]}', b'{"x":[[[[[1]]]]]}', b"{}"]
    packed = project(whatever=ndjson(*lines))
    imported = await dock.run_import(packed)
    found = await dock.failures(imported)
    assert _told(found) == [
        ("whatever", 2, "Gitlab::ImportExport::Error"),
        ("whatever", 4, "JSON::NestingError"),
    ]
    assert found[0].exception_message == "line of 101 bytes is over the limit of 100 bytes"
    out = await dock.round_trip(packed)
    assert out["tree/project/whatever.ndjson"] == ndjson(b"{}", fits, b'{"x":[[[[1]]]]}', b"{}")


async def test_progress_ends_at_the_whole_archive(dock: Dock) -> None:
    packed = project(("uploads/", b""), ("uploads/a", b"1" * 5000), issues=ndjson(GOOD, b"1", GOOD))
    imported = await dock.run_import(packed)
    progress = imported.progress
    assert progress.bytes_done == progress.bytes_total == len(packed)
    assert progress.entries == 5
    row = await dock.pool.fetchval("SELECT progress FROM jobs WHERE id = $1", imported.job.id)
    phases = row.pop("phases")
    assert row == {name: value for name, value in progress.report().items() if name != "phases"}
    assert row["relations"] == {"issues": {"bytes": len(ndjson(GOOD, b"1", GOOD)), "lines": 2, "failed": 1}}
    assert [phase["name"] for phase in phases] == ["preparing", "reading", "writing", "committing"]
    assert [phase["bytes"] for phase in phases] == [0, len(packed), 0, 0]


async def test_at_most_200_relations_are_counted_one_by_one(dock: Dock) -> None:
    relations = {f"r{n:03}": b"{}" for n in range(250)}
    imported = await dock.run_import(project(**relations))
    assert len(imported.progress.relations) == 200
    assert len(json.dumps(imported.progress.report())) < 20_000
    out = await dock.round_trip(project(**relations))
    assert sum(name.endswith(".ndjson") for name in out) == 250

"""What the benchmark harness decides: verdicts, what is counted, what runs, where points lie."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.benchmarks import __main__ as harness
from tests.benchmarks.bench import Bench
from tests.benchmarks.corpus import large_blobs
from tests.benchmarks.large_index import Shape
from tests.benchmarks.meters import storage_in
from tests.benchmarks.options import parse
from tests.benchmarks.plots import Scale, plot, write_plots
from tests.benchmarks.results import Outcome, Sample, at_least, at_most, number, read_json, table, write_json
from tests.benchmarks.running import embedded_url
from tests.benchmarks.statements import count_in

KNOWN = {"mixed": True, "tiny": True, "index": False}
LOG = """\
one LOG:  statement: BEGIN;
one LOG:  execute __asyncpg_stmt_1__: SELECT 1
	FROM x
one DETAIL:  Parameters: $1 = 'two LOG:  statement: x'
two LOG:  execute <unnamed>: SELECT 2
one LOG:  could not receive data
 LOG:  received SIGHUP
"""
METRICS = """\
# HELP crossdock_storage_bytes_total Bytes.
crossdock_storage_bytes_total{operation="read"} 1.5e+06
crossdock_storage_operations_total{operation="read",result="finished"} 3.0
crossdock_storage_operations_total{operation="read",result="failed"} 1.0
crossdock_storage_operations_created{operation="read",result="failed"} 1.7e+09
"""


def outcome(*values: float, size: int | None = None) -> Outcome:
    found = Outcome("m")
    for value in values:
        found.add(Sample("f", value, "s", at_most(2), size))
    return found


def test_samples_of_one_name_are_one_figure_with_their_median() -> None:
    found = outcome(1, 9, 2)
    assert [figure.samples for figure in found.figures] == [[1, 9, 2]]
    assert found.figures[0].value == 2


def test_samples_of_two_sizes_are_two_figures() -> None:
    found = outcome(1)
    found.add(Sample("f", 3, "s", size=64))
    assert [(figure.size, figure.samples) for figure in found.figures] == [(None, [1]), (64, [3])]


@pytest.mark.parametrize(
    ("goal", "value", "holds"),
    [(at_most(2), 2, True), (at_most(2), 2.1, False), (at_least(2), 2, True), (at_least(2), 1.9, False)],
)
def test_a_goal_holds_at_its_limit(goal: object, value: float, *, holds: bool) -> None:
    assert goal.holds(value) is holds  # type: ignore[attr-defined]


def test_results_are_read_as_they_were_written(tmp_path: Path) -> None:
    found = [outcome(1, 2), Outcome("n", error="no", seconds=3)]
    write_json(tmp_path / "b.json", {"commit": "c"}, found)
    assert read_json(tmp_path / "b.json") == found


def test_the_table_says_which_goals_hold_and_what_failed() -> None:
    lines = table([outcome(3), Outcome("n", error="it broke")]).splitlines()
    assert [cell.strip() for cell in lines[2].split("|")[1:-1]] == [
        "m",
        "f",
        "3",
        "3",
        "3",
        "s",
        "<= 2",
        "no",
    ]
    assert lines[3] == "FAILED n: it broke"
    assert len(set(map(len, lines[:3]))) == 1


@pytest.mark.parametrize(
    ("value", "text"), [(0.01234, "0.012"), (1.239, "1.24"), (12.34, "12.3"), (123.4, "123")]
)
def test_numbers_have_three_digits(value: float, text: str) -> None:
    assert number(value) == text


def test_statements_of_the_database_are_counted_once_each_and_no_others() -> None:
    assert count_in(LOG, "one") == 2
    assert count_in(LOG, "two") == 1


def test_storage_counters_are_summed_over_results_and_nothing_else_is_taken() -> None:
    assert storage_in(METRICS) == {("bytes", "read"): 1.5e6, ("operations", "read"): 4}


def test_without_words_the_short_form_runs() -> None:
    assert parse([], KNOWN).only == ("mixed", "tiny")


def test_only_what_is_asked_for_runs_with_its_sizes() -> None:
    options = parse(["--only", "index,mixed", "--size", "9", "--sizes", "1,2", "--set", "A=b", "C=d"], KNOWN)
    assert (options.only, options.size, options.sizes) == (("index", "mixed"), 9, (1, 2))
    assert options.settings == ("A=b", "C=d")


def test_a_measure_that_does_not_exist_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse(["--only", "mixde"], KNOWN)
    assert "mixde is none of mixed, tiny, index" in capsys.readouterr().err


def test_a_measure_that_fails_keeps_its_samples_and_says_why(tmp_path: Path) -> None:
    def failing(_: Bench) -> Iterator[Sample]:
        yield Sample("f", 1)
        raise ValueError("it broke\nhere")

    with Bench(parse([], KNOWN), tmp_path) as bench:
        found = harness.run("m", failing, bench)
    assert [figure.samples for figure in found.figures] == [[1]]
    assert found.error == "ValueError: it broke"


def test_each_measure_has_a_module_of_its_name() -> None:
    folder = Path(harness.__file__).with_name("measures")
    assert {file.stem for file in folder.glob("*.py")} == set(harness.MEASURES)
    assert all(function.__module__.endswith(name) for name, function in harness.MEASURES.items())


@pytest.mark.parametrize(
    ("size", "large"), [(32, 9), (128, 5 * 9 + 128 * 0.13), (1024, 6 * 61.44 + 1024 * 0.13)]
)
def test_lfs_objects_are_large_whatever_the_size_of_an_archive(size: int, large: float) -> None:
    assert large_blobs(size) == pytest.approx(large)


def test_packs_hold_all_files() -> None:
    assert [Shape(files, 1).packs for files in (1, 100_000, 100_001)] == [1, 1, 2]


def test_an_axis_goes_from_the_power_of_two_below_to_the_one_above() -> None:
    axis = Scale([3, 100], 0, 70)
    assert (axis.at(2), axis.at(128), axis.at(16)) == (0, 70, 35)
    assert axis.ticks == [2, 4, 8, 16, 32, 64, 128]
    assert axis.at(0) == 0


def test_a_plot_has_each_line_with_its_name_and_points() -> None:
    drawn = ET.fromstring(plot("t", "s", {"a & b": [(64, 1), (256, 2)], "c": [(64, 4)]}))  # noqa: S314  # ours
    space = "{http://www.w3.org/2000/svg}"
    assert len(drawn.findall(f"{space}polyline")) == 2
    assert len(drawn.findall(f"{space}circle")) == 3
    assert "a & b" in [text.text for text in drawn.findall(f"{space}text")]


def test_only_figures_with_a_size_are_plotted_each_unit_by_itself(tmp_path: Path) -> None:
    found = outcome(1, size=64)
    found.add(Sample("g", 2, "MiB", size=64))
    written = write_plots(tmp_path, [found, outcome(1)])
    assert [file.name for file in written] == ["bench-s.svg", "bench-MiB.svg"]


@pytest.mark.parametrize(("told", "host"), [(".", "%2Fdata%2Fpostgres"), ("/tmp/s", "%2Ftmp%2Fs")])  # noqa: S108  # no file
def test_a_postgres_is_found_by_the_folder_of_its_socket_wherever_that_is_named_from(
    tmp_path: Path, told: str, host: str
) -> None:
    data = tmp_path / "data/postgres"
    data.mkdir(parents=True)
    (data / "postmaster.pid").write_text(f"17\n{data}\n1700000000\n5432\n{told}\n\n 1 2\nready\n")
    found = embedded_url(data).replace(quote(str(tmp_path), safe=""), "")
    assert found == f"postgresql://postgres@/postgres?host={host}&port=5432"

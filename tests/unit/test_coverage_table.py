from __future__ import annotations

import json
from pathlib import Path

import pytest
from coverage import CoverageData

from tests.figures import coverage
from tests.figures.coverage import Coverage, by_folder, table
from tests.figures.lines import convert

FILES = {
    "services/api/app.py": Coverage(10, 9, 4, 3),
    "services/api/http/bodies.py": Coverage(30, 30, 2, 2),
    "services/__init__.py": Coverage(),
    "shared/errors.py": Coverage(10, 1),
}


def test_files_are_added_up_by_folder_and_modules_beside_folders_are_one_more() -> None:
    assert by_folder(FILES) == {
        "services/*.py": Coverage(),
        "services/api": Coverage(40, 39, 6, 5),
        "shared/*.py": Coverage(10, 1),
    }


def test_a_line_of_the_table_tells_branches_only_where_they_were_counted() -> None:
    heading, *lines = table(by_folder(FILES))
    assert heading.split() == ["lines", "not", "run", "run", "branches", "taken"]
    assert [line.split() for line in lines] == [
        ["services/*.py", "0", "0", "100.0", "%"],
        ["services/api", "40", "1", "97.5", "%", "6", "5"],
        ["shared/*.py", "10", "9", "10.0", "%"],
    ]


@pytest.mark.parametrize(("floor", "code"), [(80, 0), (80.01, 1)])
def test_less_than_the_floor_is_a_failure(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], floor: float, code: int
) -> None:
    monkeypatch.setattr(coverage, "measured", lambda: FILES)
    assert coverage.main(floor) == code
    told = capsys.readouterr()
    assert told.out.splitlines()[-1].split()[:4] == ["all", "50", "10", "80.0"]
    assert ("the floor is 80.01 %" in told.err) is bool(code)


def test_lines_that_slipcover_counted_are_those_of_the_table(tmp_path: Path) -> None:
    name, written = "shared/errors.py", tmp_path / "lines.json"
    written.write_text(json.dumps({"files": {name: {"executed_lines": [3, 5], "missing_lines": [7]}}}))
    data = CoverageData(str(convert(written)))
    data.read()
    assert {file: data.lines(file) for file in data.measured_files()} == {str(Path(name).absolute()): [3, 5]}

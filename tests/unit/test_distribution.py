from __future__ import annotations

from pathlib import Path

from tests.support.distribution import scope_of

ROOT = Path(__file__).parents[2]
FORMS = ("standalone", "distributed")


def test_tests_of_either_form_go_to_one_worker_from_whatever_file() -> None:
    for form in FORMS:
        assert scope_of(f"tests/e2e/test_a.py::test_x[{form}]") == form
        assert scope_of(f"tests/e2e/clients/test_b.py::test_y[{form}-more]") == form


def test_the_other_tests_of_a_file_go_to_one_worker() -> None:
    for name in ("test_x", "test_y[1]", "test_z[standalones]"):
        assert scope_of(f"tests/e2e/test_a.py::{name}") == "tests/e2e/test_a.py"
    assert scope_of("tests/unit/test_a.py::test_x[standalone]") == "tests/unit/test_a.py"


def test_a_file_that_names_a_form_goes_where_that_runs() -> None:
    for path in (ROOT / "tests" / "e2e").rglob("test_*.py"):
        text, file = path.read_text(), str(path.relative_to(ROOT))
        for form in FORMS:
            assert f"{form}_system" not in text or scope_of(f"{file}::test_x") == form, file

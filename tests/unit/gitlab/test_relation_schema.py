import tarfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import pytest

from shared.gitlab.lines import BlankLines, LineSplitter
from shared.gitlab.record_check import Record, RefusedLine, Verdict, check_line
from shared.gitlab.relations import MAX_LENGTH, RELATIONS, REQUIRED, SINGLE
from tests.support.samples.table import GOOD, PARTLY, SAMPLES, archive

DATA = Path(__file__).parents[2] / "data"
TREE = PurePosixPath("tree/project")
JUDGED = [name for name in GOOD | PARTLY if name not in ("bomb", "many_entries", "line_over_50_mib")]


def verdicts(name: str) -> Iterator[tuple[str, int, Verdict]]:
    with tarfile.open(archive(name)) as tar:
        for member in tar:
            path = PurePosixPath(member.name)
            if member.isreg() and path.parent == TREE and not path.name.startswith("._"):
                content = tar.extractfile(member)
                assert content
                splitter = LineSplitter(50 << 20)
                lines = [*splitter.feed(content.read()), *splitter.close()]
                number = 0
                for line in lines:
                    if isinstance(line, bytes):
                        yield path.stem, number, check_line(line, relation=path.stem, depth=1000)
                    number += line.count if isinstance(line, BlankLines) else 1


@pytest.mark.parametrize("name", JUDGED)
def test_exactly_the_invalid_records_are_refused(name: str) -> None:
    found = [
        (relation, number, verdict.exception_class, dict(verdict.external_identifiers))
        for relation, number, verdict in verdicts(name)
        if isinstance(verdict, RefusedLine)
    ]
    assert sorted(found) == [(*failure[:3], dict(failure.identifiers)) for failure in SAMPLES[name].failures]


def test_a_blank_line_between_records_counts_and_is_no_record() -> None:
    found = [
        (number, verdict) for relation, number, verdict in verdicts("blank_line") if relation == "labels"
    ]
    assert found == [(0, Record()), (2, Record())]


def test_relations_are_in_the_order_of_gitlabs_import() -> None:
    assert list(RELATIONS) == (DATA / "gitlab-relations.txt").read_text().split()


def test_rules_name_known_relations_only() -> None:
    assert SINGLE | set(REQUIRED) | set(MAX_LENGTH) <= set(RELATIONS)
    assert not SINGLE & set(REQUIRED)


def test_what_has_a_limit_is_required_as_only_such_attributes_are_read() -> None:
    for relation, limits in MAX_LENGTH.items():
        assert set(limits) <= set(REQUIRED[relation])

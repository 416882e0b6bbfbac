import json
import tarfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import pytest

from shared.gitlab.lines import LineSplitter
from shared.gitlab.record_check import Blank, Record, Refused, Verdict, check
from shared.gitlab.relations import MAX_LENGTH, RELATIONS, REQUIRED, SINGLE

SHARED = Path(__file__).parents[3] / ".." / "shared"
FIXTURES = SHARED / "fixtures"
TREE = PurePosixPath("tree/project")
Found = tuple[str, int, str, dict[str, int]]

INVALID: dict[str, list[Found]] = {
    "trees/with_invalid_records": [("milestones", 0, "ActiveRecord::RecordInvalid", {"iid": 1})],
    "trees/with_invalid_issues_and_milestones": [
        ("issues", 0, "ActiveRecord::RecordInvalid", {"iid": 9}),
        ("issues", 1, "ActiveRecord::RecordInvalid", {}),
        ("milestones", 0, "ActiveRecord::RecordInvalid", {"iid": 1}),
    ],
    "hostile/22_bad_json_line_middle": [("labels", 1, "JSON::ParserError", {})],
    "hostile/25_scalar_line": [("labels", 1, "TypeError", {})],
    "hostile/28_invalid_utf8": [("labels", 0, "EncodingError", {})],
    "hostile/31_two_objects_one_line": [("labels", 0, "JSON::ParserError", {})],
    "hostile/33_deep_nesting_100000": [("labels", 0, "JSON::NestingError", {})],
    "hostile/36_missing_required_fields_record": [("labels", 0, "ActiveRecord::RecordInvalid", {})],
}
VALID = ["00_good_minimal", "23_blank_line_middle", "24_null_line_middle", "26_crlf", "29_u0000_in_string"]
VALID += ["37_unknown_relation_file", "38_unknown_attributes", "39_id_not_integer", "48_pax_format"]


def archives() -> Iterator[str]:
    for folder in ("real", "trees"):
        for path in sorted((FIXTURES / folder).glob("*.tar.gz")):
            yield f"{folder}/{path.name.removesuffix('.tar.gz')}"
    yield from sorted(name for name in INVALID if name.startswith("hostile/"))
    yield from (f"hostile/{name}" for name in VALID)


def verdicts(name: str) -> Iterator[tuple[str, int, Verdict]]:
    with tarfile.open(FIXTURES / f"{name}.tar.gz") as archive:
        for member in archive:
            path = PurePosixPath(member.name)
            if member.isreg() and path.parent == TREE and not path.name.startswith("._"):
                content = archive.extractfile(member)
                assert content
                splitter = LineSplitter(50 << 20)
                lines = [*splitter.feed(content.read()), *splitter.close()]
                for number, line in enumerate(lines):
                    assert isinstance(line, bytes)
                    yield path.stem, number, check(line, relation=path.stem, depth=1000)


@pytest.mark.skipif(not FIXTURES.is_dir(), reason="the fixtures beside the checkout are missing")
@pytest.mark.parametrize("name", list(archives()))
def test_of_gitlabs_own_archives_exactly_the_invalid_records_are_refused(name: str) -> None:
    found = [
        (relation, number, verdict.exception_class, dict(verdict.external_identifiers))
        for relation, number, verdict in verdicts(name)
        if isinstance(verdict, Refused)
    ]
    assert sorted(found) == INVALID.get(name, [])


@pytest.mark.skipif(not FIXTURES.is_dir(), reason="the fixtures beside the checkout are missing")
def test_a_blank_line_between_records_is_told_apart() -> None:
    found = [
        verdict for relation, _, verdict in verdicts("hostile/23_blank_line_middle") if relation == "labels"
    ]
    assert found == [Record(), Blank(), Record()]


@pytest.mark.skipif(not SHARED.is_dir(), reason="the reference beside the checkout is missing")
def test_relations_are_in_the_order_of_gitlabs_import() -> None:
    reference = json.loads((SHARED / "reference" / "gitlab-relations.json").read_bytes())
    assert list(RELATIONS) == reference["top_level_order_ce"] + reference["top_level_ee_only"]


def test_rules_name_known_relations_only() -> None:
    assert SINGLE | set(REQUIRED) | set(MAX_LENGTH) <= set(RELATIONS)
    assert not SINGLE & set(REQUIRED)


def test_what_has_a_limit_is_required_as_only_such_attributes_are_read() -> None:
    for relation, limits in MAX_LENGTH.items():
        assert set(limits) <= set(REQUIRED[relation])

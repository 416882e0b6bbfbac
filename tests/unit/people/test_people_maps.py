from __future__ import annotations

import csv
import io
import json
from contextlib import suppress

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from shared.github.answers import User
from shared.github.origin import Person as GitHubPerson
from shared.github_import.people import MappedPeople
from shared.people import reading, writing
from shared.people.errors import TOLD, PeopleMapInvalid
from shared.people.people_map import LONGEST, MOST_ROWS, PeopleMap, Person, Row
from shared.people.reading import COLUMNS, LARGEST, read_csv, read_json, read_text

JANE = Row(source_user_identifier="7", gitlab_username="jane", gitlab_public_email="jane@example.com")
HEADER = ",".join(COLUMNS.values())


def csv_of(*lines: str, header: str = HEADER) -> bytes:
    return "\n".join([header, *lines, ""]).encode()


def problems_of(data: bytes) -> tuple[str, ...]:
    with pytest.raises(PeopleMapInvalid) as refused:
        read_csv(data)
    return refused.value.problems


def test_gitlabs_csv_is_read_in_any_order_with_further_columns_and_whatever_case() -> None:
    header = "gitlab USERNAME,Error,Source user identifier,Import type,Source host,GitLab public email"
    data = b"\xef\xbb\xbf" + csv_of("jane,?,7,github,https://GitHub.com/,Jane@Example.com", header=header)
    assert read_csv(data).rows == (
        Row(
            source_host="https://github.com", import_type="github", source_user_identifier="7",
            gitlab_username="jane", gitlab_public_email="jane@example.com",
        ),
    )  # fmt: skip


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_lines_end_as_any_system_ends_them(end: str) -> None:
    data = end.join([HEADER, ",,7,,,jane,", ""]).encode()
    assert [row.gitlab_username for row in read_csv(data).rows] == ["jane"]


def test_json_has_the_same_rows() -> None:
    rows = [{"source_user_identifier": 7, "gitlab_username": "jane", "gitlab_public_email": None}]
    assert read_json(rows) == read_csv(csv_of(",,7,,,jane,")) == read_text(f" {json.dumps(rows)}")


def test_rows_that_say_of_nobody_who_it_is_are_passed_over() -> None:
    assert read_csv(csv_of(",,7,Jane,j,,", "", ",,,,,,")).rows == ()


def test_problems_name_row_and_column() -> None:
    data = csv_of(
        ",,7,,,jane,", ",,7,,,other,", ",,,,,nobody,", ",,8,,,@jo,", ",,9,,,,no mail", f",,{'1' * 256},,,b,",
        ",,10,,,JANE,", "a\x01,,11,,,c,",
    )  # fmt: skip
    assert problems_of(data) == (
        "row 4, Source user identifier: it is empty, and so is Source username",
        "row 5, GitLab username: it is not a user name",
        "row 6, GitLab public email: it is not an e-mail address",
        f"row 7, Source user identifier: it has over {LONGEST} characters",
        "row 9, Source host: it has a character that no text has",
        "row 3, Source user identifier: row 2 has the same",
        "row 8, GitLab username: row 2 has the same",
    )


def test_one_account_and_one_user_may_be_named_once_for_each_origin() -> None:
    rows = read_csv(
        csv_of("https://a,github,7,,,jane,", "https://b,github,7,,,jane,", "https://a,gitea,7,,,jane,")
    )
    assert len(rows.rows) == 3


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "row 1: the column 'Source host' is missing"),
        (csv_of(header=f"{HEADER},source_host"), "row 1: the column 'Source host' is there twice"),
        (HEADER.encode("utf-16"), "it is not UTF-8 at byte 0"),
        (csv_of(',,7,,,"jane'), "row 2: unexpected end of data"),
        (csv_of(f",,{'7' * 200_000},,,jane,"), "row 2: field larger than field limit (131072)"),
        (b" " * (LARGEST + 1), f"it has over {LARGEST} bytes"),
        (csv_of(*(f",,{n},,,u{n}," for n in range(MOST_ROWS + 1))), f"it has over {MOST_ROWS} rows"),
    ],
)
def test_what_is_no_map_is_refused(data: bytes, problem: str) -> None:
    assert problems_of(data)[0] == problem


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[", "it is not valid JSON"),
        ("[" * 100_000, "it is not valid JSON"),
        ("[1]", "row 1: it is not an object"),
        ('[{"gitlab_username": []}]', "row 1, GitLab username: it is not a text"),
        ('[{"source_user_identifier": true}]', "row 1, Source user identifier: it is not a text"),
        (f"[{' ' * LARGEST}", f"it has over {LARGEST} bytes"),
    ],
)  # fmt: skip
def test_json_that_is_no_map_is_refused(text: str, problem: str) -> None:
    with pytest.raises(PeopleMapInvalid) as refused:
        read_text(text)
    assert refused.value.problems == (problem,)


def test_an_error_tells_some_problems_and_counts_the_rest() -> None:
    message = str(PeopleMapInvalid([f"row {n}" for n in range(TOLD + 5)]))
    assert message.endswith(f"row {TOLD - 1}; and 5 more")


def test_the_id_decides_before_the_user_name_and_that_before_the_e_mail() -> None:
    by_id = Row(source_user_identifier="1", source_username="sam", gitlab_username="one")
    by_name = Row(source_username="Sam", gitlab_username="two", gitlab_public_email="sam@example.com")
    people = PeopleMap((by_id, by_name))
    assert people.find(id=1, username="sam") == Person("one", "")
    assert people.find(id=2, username="SAM") == Person("two", "sam@example.com")
    assert people.find(id=3, username="other", public_email="Sam@Example.com") == Person(
        "two", "sam@example.com"
    )
    assert people.find(id=3, username="other") is None
    assert people.find() is None


def test_an_id_of_two_origins_is_somebody_only_where_they_agree_or_one_is_meant() -> None:
    github = Row(import_type="github", source_user_identifier="1", gitlab_username="a")
    gitlab = Row(import_type="gitlab_migration", source_user_identifier="1", gitlab_username="b")
    people = PeopleMap((github, gitlab))
    assert people.find(id=1) is None
    assert people.find(id=1, import_type="github") == Person("a", "")


def test_an_account_of_github_is_found_by_the_map() -> None:
    by_email = Row(source_user_identifier="9", gitlab_public_email="k@example.com")
    people = MappedPeople(PeopleMap((JANE, by_email)))
    assert people.find(User(7, "j")) == GitHubPerson("jane", "jane@example.com")
    assert people.find(User(9, "k")) == GitHubPerson("k", "k@example.com")
    assert people.find(User(8, "l")) is None


def test_the_digest_is_that_of_the_rows() -> None:
    assert PeopleMap((JANE,)).digest == PeopleMap((JANE,)).digest != PeopleMap().digest


@pytest.mark.parametrize("value", ["=1+1", "+1", "-1", "@x", "\tx", ";x"])
def test_a_spreadsheet_computes_nothing_of_a_value_and_it_is_read_back(value: str) -> None:
    row = Row(source_host="h", source_user_identifier="1", source_username=value.strip(), gitlab_username="j")
    data = writing.header() + writing.line(row)
    assert next(csv.reader(io.StringIO(data.decode().splitlines()[1])))[4] in (f"'{value}", value.strip())
    assert read_csv(data).rows == (row,)


def test_a_line_break_in_a_name_makes_no_second_row() -> None:
    data = writing.line(Row(source_user_name="a\r\n,,8,,,eve,\u2028", gitlab_username="j"))
    assert data.count(b"\n") == 1
    assert b"\r" not in data


_text = st.text(st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp")), max_size=20)
_username = st.from_regex(r"\A[a-z][a-z0-9._-]{0,9}\Z")
_rows = st.lists(
    st.builds(
        Row, source_host=_text, import_type=_text, source_user_name=_text, source_username=_text,
        source_user_identifier=st.integers(1).map(str), gitlab_username=_username,
    ),
    max_size=5, unique_by=(lambda row: row.source_user_identifier, lambda row: row.gitlab_username),
)  # fmt: skip


@given(_rows)
def test_what_is_written_is_read(rows: list[Row]) -> None:
    data = writing.header() + b"".join(map(writing.line, rows))
    again = read_csv(data)
    assert [each.source_user_identifier for each in again.rows] == [
        each.source_user_identifier for each in rows
    ]
    assert read_csv(writing.header() + b"".join(map(writing.line, again.rows))) == again


@given(st.binary(max_size=300))
@example(b"[9" + b"9" * 5000)
@example(b'[{"source_user_identifier":' + b"9" * 5000 + b"}]")
@example(b'[{"gitlab_username":"j","source_username":"\\ud800"}]')
def test_whatever_comes_is_a_map_or_a_problem(data: bytes) -> None:
    with suppress(PeopleMapInvalid):
        assert isinstance(read_csv(data), PeopleMap)
    with suppress(PeopleMapInvalid):
        assert isinstance(read_text(data.decode(errors="surrogateescape")), PeopleMap)


@given(_rows, st.integers(1), st.none() | _text, st.none() | _text)
def test_who_is_found_is_somebody_of_the_rows(
    rows: list[Row], number: int, username: str | None, email: str | None
) -> None:
    people = PeopleMap(tuple(rows))
    found = people.find(id=number, username=username, public_email=email)
    assert found is None or found.username in {row.gitlab_username for row in rows}
    for row in rows:
        assert people.find(id=row.source_user_identifier) == Person(row.gitlab_username, "")


def test_the_columns_are_those_of_a_row() -> None:
    assert tuple(reading.COLUMNS) == Row.__struct_fields__

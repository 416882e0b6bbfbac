"""Reads a map of people: the CSV of GitLab's placeholder reassignment, or the same rows as JSON."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec

from shared.people.errors import PeopleMapInvalid
from shared.people.people_map import LONGEST, MOST_ROWS, PeopleMap, Row, duplicates

LARGEST = 1024 * 1024
"""Bytes of a map."""

COLUMNS = {
    "source_host": "Source host",
    "import_type": "Import type",
    "source_user_identifier": "Source user identifier",
    "source_user_name": "Source user name",
    "source_username": "Source username",
    "gitlab_username": "GitLab username",
    "gitlab_public_email": "GitLab public email",
}
"""GitLab's columns, by the members of a row, in GitLab's order."""

_NEEDED = tuple(member for member in COLUMNS if member not in ("source_user_name", "source_username"))
_FORMULA = re.compile(r"'(?=[=+\-@;])")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_HALF = re.compile(r"[\ud800-\udfff]")
_USERNAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.\-]*")
_EMAIL = re.compile(r"[^\s@<>,;:\"()\[\]\\]+@[^\s@<>,;:\"()\[\]\\]+")


def read_csv(data: bytes) -> PeopleMap:
    """Read a CSV with a header, in UTF-8. The header is row 1.

    Columns may have any order, further ones are ignored, and a row that says of nobody who it is, is passed
    over. Raises PeopleMapInvalid.
    """
    _check_size(len(data))
    rows = csv.reader(io.StringIO(_decoded(data), newline=""), strict=True)
    numbered = enumerate(_parsed(rows), 1)
    _, header = next(numbered, (1, []))
    members = [name.strip().lower().replace(" ", "_") for name in header]
    _check_header(members)
    return _map((number, _row_of(members, values)) for number, values in numbered if any(values))


def read_json(value: object) -> PeopleMap:
    """Read a list of objects, whose members are the columns in lower case with ``_``. The first is row 1.

    Raises PeopleMapInvalid.
    """
    if not isinstance(value, list):
        raise PeopleMapInvalid(["it is not a list of rows"])
    return _map((number, _members_of(number, each)) for number, each in enumerate(value, 1))


def read_text(text: str) -> PeopleMap:
    """Read a map in either form: what begins with ``[`` is JSON. Raises PeopleMapInvalid."""
    data = text.encode(errors="surrogatepass")
    if not text.lstrip().startswith("["):
        return read_csv(data)
    _check_size(len(data))
    try:
        return read_json(msgspec.json.decode(data))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise PeopleMapInvalid(["it is not valid JSON"]) from None


def _check_size(size: int) -> None:
    if size > LARGEST:
        raise PeopleMapInvalid([f"it has over {LARGEST} bytes"])


def _decoded(data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise PeopleMapInvalid([f"it is not UTF-8 at byte {error.start}"]) from None


def _parsed(rows: Iterator[list[str]]) -> Iterator[list[str]]:
    read = 0
    while True:
        try:
            row = next(rows, None)
        except csv.Error as error:
            raise PeopleMapInvalid([f"row {read + 1}: {error}"]) from None
        if row is None:
            return
        read += 1
        yield row


def _check_header(members: Sequence[str]) -> None:
    missing = [COLUMNS[member] for member in _NEEDED if member not in members]
    twice = [COLUMNS[member] for member in COLUMNS if members.count(member) > 1]
    problems = [f"row 1: the column {name!r} is missing" for name in missing]
    problems += [f"row 1: the column {name!r} is there twice" for name in twice]
    if problems:
        raise PeopleMapInvalid(problems)


def _row_of(members: Sequence[str], values: Sequence[str]) -> Mapping[str, str]:
    """Give the values by their columns; those that a spreadsheet was kept from computing as they are."""
    return {member: _FORMULA.sub("", value, count=1) if value.startswith("'") else value
            for member, value in zip(members, values, strict=False)}  # fmt: skip


def _members_of(number: int, value: object) -> Mapping[str, str]:
    if not isinstance(value, dict):
        raise PeopleMapInvalid([f"row {number}: it is not an object"])
    members: dict[str, str] = {}
    for member, column in COLUMNS.items():
        given = value.get(member)
        if isinstance(given, bool) or not isinstance(given, str | int | None):
            raise PeopleMapInvalid([f"row {number}, {column}: it is not a text"])
        members[member] = "" if given is None else str(given)
    return members


def _map(numbered: Iterable[tuple[int, Mapping[str, str]]]) -> PeopleMap:
    problems: list[str] = []
    rows: list[tuple[int, Row]] = []
    for number, values in numbered:
        row = _row(values)
        if not row.is_mapped:
            continue
        if len(rows) == MOST_ROWS:
            raise PeopleMapInvalid([f"it has over {MOST_ROWS} rows"])
        rows.append((number, row))
        problems += [f"row {number}, {column}: {what}" for column, what in _problems(row)]
    for number, member, first in duplicates(rows):
        problems.append(f"row {number}, {COLUMNS[member]}: row {first} has the same")
    if problems:
        raise PeopleMapInvalid(problems)
    return PeopleMap(tuple(row for _, row in rows))


def _row(values: Mapping[str, str]) -> Row:
    clean = {member: values.get(member, "").strip() for member in COLUMNS}
    # A name is for people who read the file: nothing is found by it.
    clean["source_user_name"] = _CONTROL.sub(" ", clean["source_user_name"])[:LONGEST]
    clean["source_host"] = clean["source_host"].rstrip("/").lower()
    clean["gitlab_public_email"] = clean["gitlab_public_email"].lower()
    return Row(**clean)


def _problems(row: Row) -> Iterator[tuple[str, str]]:
    for member, column in COLUMNS.items():
        value = getattr(row, member)
        if len(value) > LONGEST:
            yield column, f"it has over {LONGEST} characters"
        elif _CONTROL.search(value) or _HALF.search(value):
            yield column, "it has a character that no text has"
    if not (row.source_user_identifier or row.source_username):
        yield COLUMNS["source_user_identifier"], "it is empty, and so is Source username"
    if row.gitlab_username and not _USERNAME.fullmatch(row.gitlab_username):
        yield COLUMNS["gitlab_username"], "it is not a user name"
    if row.gitlab_public_email and not _EMAIL.fullmatch(row.gitlab_public_email):
        yield COLUMNS["gitlab_public_email"], "it is not an e-mail address"

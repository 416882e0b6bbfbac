"""Reads parameters as Grape does: collects all problems and raises one error for them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, date, datetime

from services.api.http.errors import ParametersInvalid
from shared.accounts.models import AccessLevel
from shared.gitlab.visibility import VISIBILITIES, Visibility

TOKEN_PARAMETERS = ("private_token", "access_token")
"""The parameters that contain a token. Links and digests leave them out."""

_TRUE = frozenset({"true", "t", "1", "yes", "y", "on"})
_FALSE = frozenset({"false", "f", "0", "no", "n", "off"})
_MOST_DIGITS = 18


def boolean(value: object) -> bool | None:
    """Read a boolean in any of its spellings; None if it is not one."""
    text = str(value).strip().lower()
    return True if text in _TRUE else False if text in _FALSE else None


def integer(value: object) -> int | None:
    """Read an integer; None if it is not one, or is too large for Postgres."""
    text = str(value).strip()
    digits = text.removeprefix("-")
    return int(text) if digits.isascii() and digits.isdecimal() and len(digits) <= _MOST_DIGITS else None


def text(value: object) -> str | None:
    """Read a text or a number as text; None for other values, and for a NUL, which Postgres cannot store."""
    if not isinstance(value, (str, int, float)) or isinstance(value, bool):
        return None
    return None if "\0" in str(value) else str(value)


class ParameterReader:
    """Reads parameters, and collects their problems, under ``prefix[name]`` if there is a prefix."""

    def __init__(self, given: Mapping[str, object], *, prefix: str = "") -> None:
        self._given = given
        self._prefix = prefix
        self.problems: list[str] = []

    def _label(self, name: str) -> str:
        return f"{self._prefix}[{name}]" if self._prefix else name

    @property
    def given(self) -> Mapping[str, object]:
        """What is given, as it came."""
        return self._given

    def problem(self, name: str, what: str) -> None:
        """Add a problem of a parameter."""
        self.problems.append(f"{self._label(name)} {what}")

    def require(self, name: str, *, or_null: bool = False) -> None:
        """Add a problem if the parameter is missing. Blank is not missing; null is, unless ``or_null``."""
        if self._given.get(name) is None and not (or_null and name in self._given):
            self.problem(name, "is missing")

    def text(self, name: str) -> str | None:
        """Read a text; None if it is missing."""
        value = self._given.get(name)
        if value is None:
            return None
        read = text(value)
        if read is None:
            self.problem(name, "is invalid")
        return read

    def boolean(self, name: str, *, default: bool | None = None) -> bool | None:
        """Read a boolean; ``default`` if it is missing or blank."""
        value = self._given.get(name)
        if value in (None, ""):
            return default
        read = boolean(value)
        if read is None:
            self.problem(name, "is invalid")
        return read

    def integer(self, name: str, *, default: int | None = None) -> int | None:
        """Read an integer; ``default`` if it is missing or blank."""
        value = self._given.get(name)
        if value in (None, ""):
            return default
        read = integer(value)
        if read is None:
            self.problem(name, "is invalid")
        return read

    def level(self, name: str) -> AccessLevel:
        """Read an access level; NONE if it is missing."""
        value = self.integer(name)
        if value is None:
            return AccessLevel.NONE
        if value in set(AccessLevel):
            return AccessLevel(value)
        self.problem(name, "does not have a valid value")
        return AccessLevel.NONE

    def day(self, name: str) -> date | None:
        """Read a day such as ``2027-01-31``; None if it is missing or blank."""
        value = self._given.get(name)
        if value in (None, ""):
            return None
        try:
            return date.fromisoformat(str(value))
        except ValueError:
            self.problem(name, "is invalid")
            return None

    def moment(self, name: str) -> datetime | None:
        """Read a time such as ``2027-01-31T12:00:00Z``, by default in UTC; None if it is missing or blank."""
        value = self._given.get(name)
        if value in (None, ""):
            return None
        try:
            read = datetime.fromisoformat(str(value))
            return (read if read.tzinfo else read.replace(tzinfo=UTC)).astimezone(UTC)
        except (ValueError, OverflowError):
            self.problem(name, "is invalid")
            return None

    def choice(self, name: str, values: Collection[str]) -> str | None:
        """Read a text that is one of ``values``; None if it is missing."""
        value = self._given.get(name)
        if value is None:
            return None
        if not isinstance(value, str) or value not in values:
            self.problem(name, "does not have a valid value")
            return None
        return value

    def choices(self, name: str, values: Collection[str]) -> Sequence[str]:
        """Read texts that are ``values``, with commas between them, each once; none if they are missing."""
        given = self._given.get(name)
        if given in (None, ""):
            return ()
        read = list(dict.fromkeys(str(given).split(",")))
        if not set(read) <= set(values):
            self.problem(name, "does not have a valid value")
            return ()
        return read

    def visibility(self, name: str = "visibility") -> Visibility | None:
        """Read a visibility by its word; None if it is missing."""
        word = self.choice(name, VISIBILITIES)
        return None if word is None else VISIBILITIES[word]

    def mapping(self, name: str) -> Mapping[str, object]:
        """Read nested parameters; an empty mapping if they are missing or blank."""
        value = self._given.get(name)
        if isinstance(value, dict):
            return value
        if value not in (None, ""):
            self.problem(name, "is invalid")
        return {}

    def exclusive(self, *names: str) -> None:
        """Add a problem if more than one of the parameters is given."""
        given = [name for name in names if self._given.get(name) not in (None, "")]
        if len(given) > 1:
            self.problems.append(f"{', '.join(given)} are mutually exclusive")

    def finish(self) -> None:
        """Raise ParametersInvalid if there are problems."""
        if self.problems:
            raise ParametersInvalid(*self.problems)

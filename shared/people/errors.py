"""Errors of maps of people."""

from __future__ import annotations

from collections.abc import Sequence

from shared.errors import Invalid

TOLD = 20
"""Problems that an error tells; the rest is only counted."""


class PeopleMapInvalid(Invalid):
    """A map of people cannot be read; the message names row and column of up to 20 problems."""

    code = "people_map_invalid"

    def __init__(self, problems: Sequence[str]) -> None:
        more = len(problems) - TOLD
        told = [*problems[:TOLD], *([f"and {more} more"] if more > 0 else [])]
        self.told = "; ".join(told)
        super().__init__(f"the map of people is not valid: {self.told}")
        self.problems = tuple(problems)

"""Predicates of single records: which of them are shown to everybody who sees their list."""

from __future__ import annotations

from dataclasses import dataclass

from shared.gitlab.visibility import Visibility
from shared.records.fields import reader

_OPEN = (b"false", b"null")
_issue = reader("confidential")
_snippet = reader("visibility_level")


def is_not_confidential(issue: bytes) -> bool:
    """Tell whether an issue is marked as not confidential, or not marked; any other mark is one."""
    return bytes(_issue(issue).raw("confidential")) in _OPEN


@dataclass(frozen=True, slots=True)
class SnippetsFrom:
    """Tells whether a snippet is at least as visible as ``lowest``; one without a known level is private."""

    lowest: Visibility

    def __call__(self, snippet: bytes) -> bool:
        """Tell it of a snippet's line."""
        level = _snippet(snippet).number("visibility_level")
        return (level if level in set(Visibility) else Visibility.PRIVATE) >= self.lowest

"""Maps review comments to notes on lines of a diff, in discussions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from msgspec.structs import replace

from shared.github.answers import PullRequest, ReviewComment
from shared.github.hunks import FIRST_LINE, HunkLine, line_code, lines_between, made_up_hunk, parse_hunk
from shared.github.notes import NoteMaker
from shared.github.origin import author_of
from shared.github.suggestions import has_suggestion, suggestion_records, with_ranges
from shared.github.texts import without_nul
from shared.gitlab.activity_records import (
    LegacyDiffRecord,
    LinePlaceRecord,
    LineRangeRecord,
    NoteRecord,
    PositionRecord,
)

_UNKNOWN_LINE = "context not found"


def without_hunk(comment: ReviewComment) -> tuple[str, int] | None:
    """Give commit and line of a comment whose hunk is to be made up from the file; None where it has one.

    ``hunks.made_up_hunk`` makes it; without it the line reads ``context not found``.
    """
    if comment.diff_hunk or comment.subject_type == "file":
        return None
    return comment.original_commit_id, _original_line(comment) or 1


def _original_line(comment: ReviewComment) -> int | None:
    """Give the line of the commit where the comment was written, which its hunk is of."""
    return comment.original_line if comment.original_line is not None else comment.line


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a comment was written: from ``first`` to ``last`` on ``side``; and the lines of its hunk."""

    side: str
    first: int
    last: int
    lines: Sequence[HunkLine]

    @property
    def commented(self) -> HunkLine:
        """The line that the comment is shown at: GitHub ends a hunk with it."""
        return self.lines[-1] if self.lines else FIRST_LINE

    @property
    def lines_above(self) -> int:
        """How many lines above the last one are meant, too."""
        return max(self.last - self.first, 0)

    @property
    def shown(self) -> list[HunkLine]:
        """Those of the lines that are in the hunk."""
        return lines_between(self.lines, self.side, self.first, self.last)


class DiffNoteMaker:
    """Makes the diff notes of one pull request."""

    def __init__(self, pull: PullRequest, notes: NoteMaker) -> None:
        self._pull = pull
        self._notes = notes

    def note(self, comment: ReviewComment) -> NoteRecord:
        """Map a comment; answers share the discussion of what they answer.

        One with a suggestion is a ``DiffNote``, which GitLab can apply, any other a ``LegacyDiffNote``, which
        carries its piece of the diff.
        """
        hunk = without_nul(comment.diff_hunk or "")
        hunk = hunk or made_up_hunk(_original_line(comment) or 1, _UNKNOWN_LINE)
        place, body = _place(comment, hunk), without_nul(comment.body or "")
        if comment.subject_type == "file" or not has_suggestion(body):
            return _legacy(self._note(comment, place, body), comment.path, hunk)
        text = with_ranges(body, lines_above=place.lines_above)
        return self._suggestion(self._note(comment, place, text), comment, place, text)

    def _note(self, comment: ReviewComment, place: _Place, text: str) -> NoteRecord:
        note = self._notes.note(
            text,
            author_of(comment.user),
            key=f"diff {comment.in_reply_to_id or comment.id}",
            created=comment.created_at,
            updated=comment.updated_at,
        )
        code = line_code(comment.path, place.commented)
        return replace(note, commit_id=comment.original_commit_id, line_code=code)

    def _suggestion(self, note: NoteRecord, comment: ReviewComment, place: _Place, text: str) -> NoteRecord:
        shown, above = place.shown, place.lines_above
        replaced = [line.text for line in shown]
        records = suggestion_records(text, replaced, lines_above=above) if len(shown) == above + 1 else ()
        original = self._original_position(comment, place)
        return replace(
            note,
            type="DiffNote",
            position=self._position(comment, original),
            original_position=original,
            suggestions=[*records],
        )

    def _original_position(self, comment: ReviewComment, place: _Place) -> PositionRecord:
        is_old = place.side == "LEFT"
        return PositionRecord(
            base_sha=self._pull.base.sha,
            start_sha=self._pull.base.sha,
            head_sha=comment.original_commit_id,
            old_path=comment.path,
            new_path=comment.path,
            old_line=place.last if is_old else None,
            new_line=None if is_old else place.last,
            line_range=_line_range(comment.path, place),
        )

    def _position(self, comment: ReviewComment, original: PositionRecord) -> PositionRecord:
        """Give where the comment is now; one that is outdated stays where it was written."""
        line = comment.line
        if line is None:
            return original
        is_old = original.old_line is not None
        has_moved = line != (original.old_line if is_old else original.new_line)
        return replace(
            original,
            head_sha=self._pull.head.sha,
            old_line=line if is_old else None,
            new_line=None if is_old else line,
            line_range=None if has_moved else original.line_range,
        )


def _place(comment: ReviewComment, hunk: str) -> _Place:
    last = _original_line(comment) or 1
    first = comment.original_start_line
    if comment.original_line is None:
        first = comment.start_line
    lines = [] if comment.subject_type == "file" else parse_hunk(hunk)
    return _Place(comment.side or "RIGHT", last if first is None else first, last, lines)


def _legacy(note: NoteRecord, path: str, hunk: str) -> NoteRecord:
    piece = LegacyDiffRecord(diff=hunk, new_path=path, old_path=path)
    return replace(note, type="LegacyDiffNote", st_diff=piece)


def _line_range(path: str, place: _Place) -> LineRangeRecord | None:
    shown = place.shown
    if place.lines_above == 0 or not shown:
        return None
    return LineRangeRecord(_line_place(path, shown[0]), _line_place(path, shown[-1]))


def _line_place(path: str, line: HunkLine) -> LinePlaceRecord:
    return LinePlaceRecord(
        line_code=line_code(path, line),
        type={"+": "new", "-": "old"}.get(line.sign),
        old_line=None if line.sign == "+" else line.old,
        new_line=None if line.sign == "-" else line.new,
    )

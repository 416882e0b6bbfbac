"""Makes notes: comments, reviews with a text, and what GitLab tells itself (system notes)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha1

from msgspec import UNSET

from shared.github.answers import User
from shared.github.origin import Origin, author_of
from shared.github.texts import NO_UPLOADS, TextFormatter
from shared.github.timeline_answers import Comment, Review
from shared.gitlab.activity_records import AuthorRecord, NoteRecord, SystemNoteMetadataRecord
from shared.gitlab.record_json import moment

ISSUE, MERGE_REQUEST = "Issue", "MergeRequest"
"""What a note is on, in GitLab's words."""

_REVIEW_STATES = {
    "approved": "Approved",
    "changes_requested": "Changes requested",
    "commented": "Commented",
    "dismissed": "Dismissed",
}


@dataclass(frozen=True, slots=True)
class Noteable:
    """What notes are on: ``ISSUE`` or ``MERGE_REQUEST``, with its number."""

    type: str
    iid: int


class NoteMaker:
    """Makes the notes of one issue or merge request. ``uploads`` are as in ``TextFormatter.format``."""

    def __init__(self, origin: Origin, noteable: Noteable, uploads: Mapping[str, str] = NO_UPLOADS) -> None:
        self._origin = origin
        self._noteable = noteable
        self._uploads = uploads
        self._texts = TextFormatter(origin)

    def comment(self, comment: Comment) -> NoteRecord:
        """Map a comment."""
        return self.note(
            comment.body or "",
            author_of(comment.user),
            key=f"comment {comment.id}",
            created=comment.created_at,
            updated=comment.updated_at,
        )

    def review(self, review: Review, submitted: datetime) -> NoteRecord | None:
        """Map the text of a review; None where it has none.

        An approval by who is nobody here is a note all the same, as it cannot be an approval.
        """
        author = author_of(review.user)
        state = review.state.lower()
        if not review.body and (state != "approved" or self._origin.is_mapped(author)):
            return None
        words = _REVIEW_STATES.get(state, state.replace("_", " ").capitalize())
        text = "\n\n".join(filter(None, (f"**Review:** {words}", review.body)))
        return self.note(text, author, key=f"review {review.id}", created=submitted)

    def merged_by(self, user: User, merged: datetime) -> NoteRecord:
        """Tell who merged, where that is nobody here."""
        text = f"*Merged by: {user.login} at {merged:%Y-%m-%d %H:%M:%S} UTC*"
        return self._record(text, user, key="merged", created=merged)

    def note(
        self, text: str, author: User, *, key: str, created: datetime, updated: datetime | None = None
    ) -> NoteRecord:
        """Make a note of a text of GitHub's; ``key`` is unique within the issue or merge request."""
        text = self._texts.format(text, author, uploads=self._uploads)
        return self._record(text, author, key=key, created=created, updated=updated)

    def system_note(self, text: str, author: User, *, action: str, created: datetime) -> NoteRecord:
        """Make a note by which GitLab tells what happened."""
        at = moment(created)
        metadata = SystemNoteMetadataRecord(action=action, created_at=at, updated_at=at)
        return self._record(text, author, key=f"{action} {text} {at}", created=created, metadata=metadata)

    def discussion_id(self, key: str) -> str:
        """Give the id of a discussion: the same for the same ``key``, whenever it is mapped."""
        words = f"{self._origin.repository_id} {self._noteable.type} {self._noteable.iid} {key}"
        return sha1(words.encode(), usedforsecurity=False).hexdigest()

    def _record(
        self,
        text: str,
        author: User,
        *,
        key: str,
        created: datetime,
        updated: datetime | None = None,
        metadata: SystemNoteMetadataRecord | None = None,
    ) -> NoteRecord:
        return NoteRecord(
            note=text,
            noteable_type=self._noteable.type,
            author_id=author.id,
            created_at=moment(created),
            updated_at=moment(updated or created),
            project_id=self._origin.repository_id,
            system=metadata is not None,
            discussion_id=self.discussion_id(key),
            author=AuthorRecord(author.name or author.login),
            system_note_metadata=metadata or UNSET,
            suggestions=() if self._noteable.type == MERGE_REQUEST else UNSET,
        )

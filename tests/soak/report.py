"""What a soak has found: in plain words, and as JSON."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.soak.record import Asked, Seen
from tests.soak.verdict import Loss


@dataclass(frozen=True, slots=True)
class Report:
    """All that a soak has found. ``settling``: seconds from the last request until all jobs had ended."""

    about: Mapping[str, Any]
    asked: Sequence[Asked]
    seen: Seen
    faults: Mapping[str, int]
    starts: Mapping[str, int]
    left_uploads: int
    settling: float
    losses: Sequence[Loss]

    def document(self) -> dict[str, Any]:
        """Give it as JSON has it."""
        jobs = self.seen.jobs
        return {
            **self.about,
            "requests": _count(each.wish.kind.value for each in self.asked),
            "told": _count(each.told.value for each in self.asked),
            "sent_again": sum(each.sent - 1 for each in self.asked),
            "faults": dict(self.faults),
            "starts": dict(self.starts),
            "jobs": _count(" ".join(job.ends) or "unended" for job in jobs),
            "jobs_tried_again": sum(job.attempts > 1 for job in jobs),
            "uploads_sent_again": sum(len(taken) - 1 for taken in self.seen.uploads.values()),
            "uploads_in_parts_left": self.left_uploads,
            "seconds_to_the_last_end": round(self.settling, 1),
            "losses": [{"kind": loss.kind.value, "what": loss.what} for loss in self.losses],
        }

    def words(self) -> str:
        """Give it as text."""
        found = self.document()
        lines = [
            f"requests: {_listed(found['requests'])}",
            f"answers: {_listed(found['told'])}; sent again {found['sent_again']} times",
            f"faults: {_listed(found['faults'])}",
            f"jobs: {_listed(found['jobs'])}; {found['jobs_tried_again']} of them tried again",
            f"after the last request all had ended in {found['seconds_to_the_last_end']} s",
            f"uploads to an address that were sent again: {found['uploads_sent_again']}",
            f"uploads in parts that dead writers left in the store: {found['uploads_in_parts_left']}",
        ]
        return "\n".join([*lines, *self._verdict()])

    def _verdict(self) -> list[str]:
        if not self.losses:
            return ["nothing was lost, nothing was done twice, nothing was left"]
        kinds = _count(loss.kind.value for loss in self.losses)
        return [f"LOST {len(self.losses)}: {_listed(kinds)}", *(f"  {loss}" for loss in self.losses)]

    def write(self, target: Path) -> None:
        """Write the JSON to a file, in place of what it held."""
        target.write_text(json.dumps(self.document(), indent=1) + "\n")


def _count(names: Any) -> dict[str, int]:
    return dict(sorted(Counter(names).items()))


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.items()) or "none"

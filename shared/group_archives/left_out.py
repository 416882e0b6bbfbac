"""What an import of groups leaves out, with the reasons."""

from __future__ import annotations

from dataclasses import dataclass, field

MOST_TOLD = 100


@dataclass(slots=True)
class LeftOut:
    """Counts what is left out, and keeps the first 100 reasons."""

    count: int = 0
    reasons: list[str] = field(default_factory=list)

    def add(self, what: str, reason: str) -> None:
        """Note that ``what`` is left out."""
        self.count += 1
        if len(self.reasons) < MOST_TOLD:
            self.reasons.append(f"{what[:256]}: {reason[:256]}")

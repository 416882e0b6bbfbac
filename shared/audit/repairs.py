"""What can be done about findings. No content that anything refers to is deleted."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

from shared.audit.findings import DAMAGE, Finding, FindingKind
from shared.database.pool import Pool
from shared.ledger import objects
from shared.ledger.objects import ObjectKind


class Repairs:
    """Repairs findings about objects: orphans are left to the collector, damaged ones set to ``damaged``."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def repair(self, finding: Finding) -> Finding:
        """Do what can be done about a finding, and give it back with what was done."""
        if finding.kind is FindingKind.ORPHAN:
            kind = cast("ObjectKind", finding.key.partition("s/")[0])
            return replace(finding, repaired=await objects.adopt(self._pool, finding.key, kind=kind))
        if finding.kind is FindingKind.OBJECT_UNDAMAGED:
            await objects.acquit(self._pool, finding.key)
            return replace(finding, repaired=True)
        if finding.kind in DAMAGE:
            return replace(finding, repaired=await objects.condemn(self._pool, finding.key))
        return finding

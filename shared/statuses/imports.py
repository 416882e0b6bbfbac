"""The status of an import: the newest one of a project, with its last failures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from shared.accounts.models import User
from shared.database.pool import Database
from shared.jobs import failed_relations
from shared.jobs.failed_relations import FailedRelation
from shared.jobs.models import IMPORTS, Job
from shared.jobs.store import JOB, job_of_document
from shared.projects import store
from shared.projects.store import ReachedProject

_MOST_FAILURES = 100

_KINDS = "({})".format(", ".join(f"'{kind.value}'" for kind in IMPORTS))
_REPLACEMENT = f"""(SELECT r.id FROM projects r JOIN jobs j ON j.project_id = r.id
    WHERE r.namespace_id = p.namespace_id AND starts_with(lower(r.path), lower(p.path) || '-') AND r.id > p.id
      AND j.kind IN {_KINDS} AND lower(j.payload->>'replaces') = lower(n.full_path || '/' || p.path)
    ORDER BY j.id DESC LIMIT 1)"""  # noqa: S608  # fixed texts
"""SQL for the newest project of an import that is to replace project ``p``, and has not done so yet."""

_NEWEST = f"""(WITH newest AS (SELECT {JOB}, progress->'stats' AS stats FROM jobs
                               WHERE project_id = %s AND former_project_id IS NULL AND kind IN {_KINDS}
                               ORDER BY id DESC LIMIT 1)
    SELECT jsonb_build_object('job', to_jsonb(newest), 'failed', (
        SELECT jsonb_agg(f) FROM (SELECT * FROM failed_relations
            WHERE job_id = newest.id AND lease = newest.lease ORDER BY id DESC LIMIT {_MOST_FAILURES}) f))
    FROM newest) AS newest_import"""  # noqa: S608  # fixed texts
_OF_PROJECT = _NEWEST % "p.id"
_OF_PATH = _NEWEST % f"coalesce({_REPLACEMENT}, p.id)"


@dataclass(frozen=True, slots=True)
class FoundImport:
    """A project, the newest import with its last 100 failures, the newest first, and its counts.

    ``stats`` are those of an import from GitHub, once its worker has told some.
    """

    reached: ReachedProject
    job: Job | None
    failed: Sequence[FailedRelation]
    stats: Mapping[str, object] | None


async def find_import(db: Database, user: User | None, reference: str) -> FoundImport | None:
    """Find a project by its id or full path, as ``user`` reaches it, with its newest import.

    Where ``reference`` is a path, a newer import that is to replace the project counts: its job is one of
    another project.
    """
    newest = _OF_PATH if "/" in reference else _OF_PROJECT
    reached = await store.find_reached(db, user, reference, newest)
    if reached is None:
        return None
    found = reached.row["newest_import"]
    if found is None:
        return FoundImport(reached, None, [], None)
    failed = failed_relations.of_documents(found["failed"] or [])
    return FoundImport(reached, job_of_document(found["job"]), failed, found["job"]["stats"])

"""Judges a soak: compares what users were told with what is there, and names each loss."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum

from tests.soak.plan import Kind
from tests.soak.record import Asked, Seen, SeenJob, SeenProject, Told

_MADE = {
    Kind.IMPORT: ("import",),
    Kind.OVERWRITE: ("import",),
    Kind.CANCEL: ("import",),
    Kind.EXPORT: ("export",),
    Kind.UPLOAD: ("export", "upload"),
}
"""The kinds of jobs that each kind of request makes, one of each."""


class Lost(Enum):
    """The kinds of losses."""

    NO_JOB = "accepted, and there is no job"
    UNENDED = "a job has not ended"
    ENDED_TWICE = "a job has ended twice"
    FAILED = "a job has failed"
    TWICE = "a request took effect twice"
    REFUSED = "a good request was refused"
    NO_PROJECT = "an import has finished, and there is no project"
    CONTENT = "a project is not as its archive"
    HALF = "a project has content of an import that has not finished"
    UNASKED = "a project has a name that nobody asked for"
    NO_UPLOAD = "an upload has finished, and its target has nothing"
    UPLOADS_DIFFER = "an upload was sent twice and not the same"
    DOWNLOAD = "a download was not as its archive"
    ORPHAN = "an object is in the store that no row names"
    OBJECT = "a row names an object that is not in the store"
    LEASE = "a lease is left"
    LOCK = "a lock or an open transaction is left"
    KEY = "an idempotency key is held by nobody"
    DEATH = "a service has ended by itself"


@dataclass(frozen=True, slots=True)
class Loss:
    """Something that was promised and does not hold."""

    kind: Lost
    what: str

    def __str__(self) -> str:
        return f"{self.kind.value}: {self.what}"


def losses(asked: Sequence[Asked], seen: Seen) -> list[Loss]:
    """Give everything that was lost, doubled or left."""
    return [*_of_jobs(asked, seen), *_of_projects(asked, seen), *_of_uploads(asked, seen), *_left(seen)]


def _of_jobs(asked: Sequence[Asked], seen: Seen) -> Iterator[Loss]:
    made = Counter((job.correlation, job.kind) for job in seen.jobs)
    for each in asked:
        yield from _of_request(each, made)
    for job in seen.jobs:
        yield from _of_end(job)


def _of_request(each: Asked, made: Counter[tuple[str, str]]) -> Iterator[Loss]:
    name = f"request {each.wish.number} ({each.wish.kind.value} {each.path})"
    first = made[each.correlation, _MADE[each.wish.kind][0]]
    if each.told is Told.ACCEPTED and not first:
        yield Loss(Lost.NO_JOB, name)
    if each.told is Told.REFUSED:
        yield Loss(Lost.REFUSED, f"{name}: {each.answer}")
    if len(each.jobs) > 1 or any(made[each.correlation, kind] > 1 for kind in _MADE[each.wish.kind]):
        yield Loss(Lost.TWICE, name)
    yield from (Loss(Lost.DOWNLOAD, f"{name}: {what}") for what in each.wrong)


def _of_end(job: SeenJob) -> Iterator[Loss]:
    name = f"job {job.id} ({job.kind} {job.correlation})"
    if not job.ends:
        yield Loss(Lost.UNENDED, name)
    if len(job.ends) > 1:
        yield Loss(Lost.ENDED_TWICE, f"{name}: {', '.join(job.ends)}")
    if "failed" in job.ends:
        yield Loss(Lost.FAILED, f"{name}: {job.error}")


def _of_projects(asked: Sequence[Asked], seen: Seen) -> Iterator[Loss]:
    finished = _finished_imports(asked, seen)
    names = {each.path for each in asked}
    for project in seen.projects:
        if project.path not in names:
            yield Loss(Lost.UNASKED, project.path)
        expected = finished.get(project.path)
        if project.has_content and expected is None:
            yield Loss(Lost.HALF, project.path)
    there = {project.path: project for project in seen.projects}
    for path, (job, each) in finished.items():
        yield from _of_content(job, each, there.get(path))


def _finished_imports(asked: Sequence[Asked], seen: Seen) -> dict[str, tuple[SeenJob, Asked]]:
    """Find the last import into each path that has finished, and its request."""
    requests = {each.correlation: each for each in asked}
    return {
        requests[job.correlation].path: (job, requests[job.correlation])
        for job in seen.jobs
        if job.kind == "import" and job.ends == ("finished",) and job.correlation in requests
    }


def _of_content(job: SeenJob, each: Asked, project: SeenProject | None) -> Iterator[Loss]:
    if project is None:
        yield Loss(Lost.NO_PROJECT, f"{each.path}, job {job.id}")
    elif project.id != job.project:
        yield Loss(Lost.CONTENT, f"{each.path} is project {project.id}, and job {job.id} made {job.project}")
    elif project.holds != each.wish.number:
        yield Loss(Lost.CONTENT, f"{each.path} holds {project.holds}, and {each.wish.number} was sent")


def _of_uploads(asked: Sequence[Asked], seen: Seen) -> Iterator[Loss]:
    finished = {job.correlation for job in seen.jobs if job.kind == "upload" and "finished" in job.ends}
    for each in (one for one in asked if one.target):
        taken = seen.uploads.get(each.target, ())
        if each.correlation in finished and not taken:
            yield Loss(Lost.NO_UPLOAD, each.target)
        if len(set(taken)) > 1:
            yield Loss(Lost.UPLOADS_DIFFER, each.target)


def _left(seen: Seen) -> Iterator[Loss]:
    yield from (Loss(Lost.ORPHAN, key) for key in seen.orphans)
    yield from (Loss(Lost.OBJECT, key) for key in seen.lost)
    yield from (Loss(Lost.DEATH, death) for death in seen.deaths)
    for kind, count in ((Lost.LEASE, seen.leases), (Lost.LOCK, seen.locks), (Lost.KEY, seen.keys)):
        if count:
            yield Loss(kind, str(count))

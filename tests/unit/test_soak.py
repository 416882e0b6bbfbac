"""What the soak decides: its plan is of its seed, and each kind of loss is found."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.soak import archives
from tests.soak.plan import PLACES, Fault, Kind, Wish, faults, wishes
from tests.soak.record import Asked, Seen, SeenJob, SeenProject, Told
from tests.soak.report import Report
from tests.soak.verdict import Loss, Lost, losses

TARGET = "/u/3"


def good() -> tuple[list[Asked], Seen]:
    """An import, two overwrites of one path, an upload of an export, a canceled import: all ended well."""
    asked = [
        Asked(Wish(0, Kind.IMPORT), "p0", project=1, told=Told.ACCEPTED, jobs={10}),
        Asked(Wish(1, Kind.OVERWRITE), "o0", project=2, told=Told.ACCEPTED, jobs={11}),
        Asked(Wish(2, Kind.OVERWRITE), "o0", project=3, told=Told.ACCEPTED, jobs={12}),
        Asked(Wish(3, Kind.UPLOAD), "p0", project=1, target=TARGET, told=Told.ACCEPTED, jobs={13}),
        Asked(Wish(4, Kind.CANCEL), "p4", project=4, told=Told.ACCEPTED, jobs={15}),
        Asked(Wish(5, Kind.IMPORT), "p5", told=Told.UNKNOWN),
    ]
    jobs = [
        SeenJob(10, "import", 1, "soak-0", ("finished",)),
        SeenJob(11, "import", 2, "soak-1", ("finished",)),
        SeenJob(12, "import", 3, "soak-2", ("finished",)),
        SeenJob(13, "export", 1, "soak-3", ("finished",)),
        SeenJob(14, "upload", 1, "soak-3", ("finished",)),
        SeenJob(15, "import", 4, "soak-4", ("canceled",)),
    ]
    projects = [
        SeenProject(1, "p0", has_content=True, holds=0),
        SeenProject(3, "o0", has_content=True, holds=2),
        SeenProject(4, "p4", has_content=False),
    ]
    return asked, Seen(jobs=jobs, projects=projects, uploads={TARGET: ["a", "a"]})


def with_job(seen: Seen, number: int, **changes: object) -> None:
    seen.jobs = [replace(job, **changes) if job.id == number else job for job in seen.jobs]  # type: ignore[arg-type]


def with_project(seen: Seen, number: int, **changes: object) -> None:
    seen.projects = [
        replace(each, **changes) if each.id == number else each  # type: ignore[arg-type]
        for each in seen.projects
    ]


def without_job(asked: list[Asked], seen: Seen) -> None:
    seen.jobs = [job for job in seen.jobs if job.id != 15]


def twice(asked: list[Asked], seen: Seen) -> None:
    seen.jobs = [*seen.jobs, SeenJob(16, "export", 1, "soak-3", ("finished",))]


def without_project(asked: list[Asked], seen: Seen) -> None:
    seen.projects = [each for each in seen.projects if each.id != 1]


def of_the_former(asked: list[Asked], seen: Seen) -> None:
    with_project(seen, 3, id=2, holds=1)


def hidden(asked: list[Asked], seen: Seen) -> None:
    seen.projects = [*seen.projects, SeenProject(9, "o0-0123", has_content=False)]


def refused(asked: list[Asked], seen: Seen) -> None:
    asked[5].told, asked[5].answer = Told.REFUSED, "400 has already been taken"


HARMED: dict[str, tuple[Callable[[list[Asked], Seen], object], Lost]] = {
    "no job": (without_job, Lost.NO_JOB),
    "a job under way": (lambda _, seen: with_job(seen, 15, ends=()), Lost.UNENDED),
    "two ends": (lambda _, seen: with_job(seen, 15, ends=("canceled", "finished")), Lost.ENDED_TWICE),
    "a failure": (lambda _, seen: with_job(seen, 15, ends=("failed",)), Lost.FAILED),
    "two jobs of a request": (twice, Lost.TWICE),
    "two jobs by the answers": (lambda asked, _: asked[0].jobs.add(99), Lost.TWICE),
    "a refusal": (refused, Lost.REFUSED),
    "no project": (without_project, Lost.NO_PROJECT),
    "another content": (lambda _, seen: with_project(seen, 1, holds=None), Lost.CONTENT),
    "the content of an overwrite before": (of_the_former, Lost.CONTENT),
    "half of an import": (lambda _, seen: with_project(seen, 4, has_content=True), Lost.HALF),
    "a name that nobody gave": (hidden, Lost.UNASKED),
    "nothing at a target": (lambda _, seen: setattr(seen, "uploads", {}), Lost.NO_UPLOAD),
    "two uploads": (lambda _, seen: setattr(seen, "uploads", {TARGET: ["a", "b"]}), Lost.UPLOADS_DIFFER),
    "a download": (lambda asked, _: asked[3].wrong.append("another content"), Lost.DOWNLOAD),
    "an orphan": (lambda _, seen: setattr(seen, "orphans", ["packs/a"]), Lost.ORPHAN),
    "an object that is gone": (lambda _, seen: setattr(seen, "lost", ["packs/a"]), Lost.OBJECT),
    "a lease": (lambda _, seen: setattr(seen, "leases", 1), Lost.LEASE),
    "a lock": (lambda _, seen: setattr(seen, "locks", 1), Lost.LOCK),
    "a key": (lambda _, seen: setattr(seen, "keys", 1), Lost.KEY),
    "a service that ended": (lambda _, seen: setattr(seen, "deaths", ["api with 1"]), Lost.DEATH),
}


def test_where_all_ended_well_there_is_no_loss() -> None:
    assert losses(*good()) == []


@pytest.mark.parametrize(("harm", "kind"), HARMED.values(), ids=HARMED.keys())
def test_each_kind_of_loss_is_found(harm: Callable[[list[Asked], Seen], object], kind: Lost) -> None:
    asked, seen = good()
    harm(asked, seen)
    assert kind in {loss.kind for loss in losses(asked, seen)}


def test_every_kind_of_loss_has_a_case() -> None:
    assert {kind for _, kind in HARMED.values()} == set(Lost)


def test_a_plan_is_that_of_its_seed_and_has_every_fault_in_half_a_minute() -> None:
    servers = {"apis": ["api"], "workers": ["importer-0", "exporter-0"]}
    plan = faults(300, seed=1, **servers)
    assert plan == faults(300, seed=1, **servers)
    assert plan != faults(300, seed=2, **servers)
    assert {step.fault for step in plan[:15]} == set(Fault)
    assert {step.target for step in plan if step.fault is Fault.FREEZE} == {"importer-0", "exporter-0"}
    assert {step.target for step in plan if step.fault is Fault.KILL} == {"api", "importer-0", "exporter-0"}


def test_requests_are_those_of_a_seed_and_of_all_kinds() -> None:
    wished = wishes(500, seed=1)
    assert wished == wishes(500, seed=1)
    assert [(wish.kind, wish.place) for wish in wished[:PLACES]] == [
        (Kind.OVERWRITE, n) for n in range(PLACES)
    ]
    counts = Counter(wish.kind for wish in wished)
    assert min(counts[kind] for kind in Kind) > 20
    assert sum(wish.keyed for wish in wished) > 200


@pytest.mark.parametrize("mib", [0, 1])
def test_an_archive_is_told_from_another_and_from_a_part_of_itself(mib: int) -> None:
    packed = archives.packed(7, mib=mib)
    assert archives.is_whole(packed, 7, mib=mib)
    assert archives.number_of(packed) == 7
    assert not archives.is_whole(packed, 8, mib=mib)
    assert not archives.is_whole(packed, 7, mib=1 - mib)


def test_a_report_says_in_words_and_in_json_what_was_lost() -> None:
    asked, seen = good()
    report = Report(
        about={"seed": 1}, asked=asked, seen=seen, faults={"process killed": 3}, starts={"api": 4},
        left_uploads=0, settling=1.0, losses=[],
    )  # fmt: skip
    assert "nothing was lost" in report.words()
    assert report.document()["uploads_sent_again"] == 1
    found = replace(report, losses=[Loss(Lost.LEASE, "2")])
    assert "LOST 1" in found.words()
    assert found.document()["losses"] == [{"kind": "a lease is left", "what": "2"}]

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from services.cli.errors import RefusedByServer, UsageError
from services.cli.fleet.copying import Copying, CopyOptions
from services.cli.fleet.importing import refuse_doubles
from services.cli.fleet.limits import TargetLimits, find_limits
from services.cli.fleet.selection import ProjectAnswer
from tests.support.gitlab_stub import Script, answer, crossdock, imported

GITLAB = answer({"version": "18.9.0", "revision": "abc"})
LIMITS = {
    "imports": {"enabled": True, "upload_size": 1000, "rate": {"per_minute": 6, "remaining": 1}},
    "projects": {"limit": 10, "used": 8},
}
KNOWN = TargetLimits(known=True, upload_size=1000, imports_per_minute=6, projects_left=2)


@pytest.mark.parametrize(
    ("answers", "limits"),
    [
        ((crossdock(), answer(LIMITS)), KNOWN),
        (
            (crossdock(), answer({"imports": {"enabled": False, "upload_size": None, "rate": None},
                                  "projects": {"limit": None, "used": 3}})),
            TargetLimits(known=True, enabled=False),
        ),
        (
            (GITLAB, answer({"max_import_size": 2, "import_sources": ["gitlab_project"],
                             "project_import_limit": 6})),
            TargetLimits(known=True, upload_size=2 * 1024 * 1024, imports_per_minute=6),
        ),
        ((GITLAB, answer({"import_sources": []})), TargetLimits(known=True, enabled=False)),
        ((GITLAB, answer({"message": "403 Forbidden"}, 403)), TargetLimits()),
    ],
    ids=["crossdock", "without limits", "gitlab", "switched off", "no administrator"],
)  # fmt: skip
async def test_a_server_tells_its_limits_in_its_own_way(answers: Any, limits: TargetLimits) -> None:
    async with Script(*answers).client() as client:
        assert await find_limits(client) == limits


async def test_an_error_is_no_lack_of_limits() -> None:
    async with Script(GITLAB, answer({"message": "400"}, 400)).client() as client:
        with pytest.raises(RefusedByServer):
            await find_limits(client)


@pytest.mark.parametrize(
    ("limits", "projects", "warned"),
    [
        (KNOWN, 2, []),
        (KNOWN, 3, ["you may make 2 more projects at the target, and 3 come"]),
        (TargetLimits(known=True, imports_per_minute=6), 300, ["that takes 49 minutes"]),
        (TargetLimits(known=True, imports_per_minute=6), 7, ["that takes 1 minute"]),
        (TargetLimits(known=True, imports_per_minute=6), 6, []),
        (TargetLimits(known=True, imports_per_minute=6), 0, []),
        (TargetLimits(known=True, enabled=False), 1, ["they are switched off"]),
        (TargetLimits(), 1, ["the target does not tell its limits"]),
    ],
)
def test_what_speaks_against_a_copy_is_said_before_it(
    limits: TargetLimits, projects: int, warned: list[str]
) -> None:
    found = limits.warnings(projects)
    assert len(found) == len(warned)
    assert all(words in each for words, each in zip(warned, found, strict=True))


@pytest.mark.parametrize(("size", "fits"), [(1000, True), (1001, False), (None, None)])
def test_what_is_over_the_limit_of_an_import_does_not_fit(size: int | None, *, fits: bool | None) -> None:
    assert KNOWN.fits(size) is fits
    assert TargetLimits().fits(size) is None


async def test_a_plan_says_what_becomes_of_each_project_and_whether_it_fits() -> None:
    source = Script(answer({"statistics": {"storage_size": 1001}}), answer({}))
    target = Script(crossdock(), answer(LIMITS), answer({}, 404), imported("finished"))
    projects = [
        ProjectAnswer(id=n, path_with_namespace=f"a/{name}") for n, name in ((1, "big"), (2, "there"))
    ]
    options = CopyOptions(into="b", group=None, parallel=1, within=timedelta(minutes=1))
    async with source.client() as there, target.client() as here:
        plan = await Copying(there, here, options).plan(projects)
    told = [(each.target, each.action, each.bytes, each.fits) for each in plan.projects]
    assert told == [("b/big", "copy", 1001, False), ("b/there", "skip: it is there (finished)", None, None)]
    assert (plan.limits, plan.warnings) == (KNOWN, [])


def test_two_projects_never_become_one_whatever_the_case_of_their_paths() -> None:
    refuse_doubles(["a/b", "a/c"], instead="-")
    with pytest.raises(UsageError, match="several projects would become a/b: use --strip"):
        refuse_doubles(["a/B", "a/b", "a/c"], instead="use --strip")

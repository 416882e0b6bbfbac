from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from itertools import islice
from typing import Any
from urllib.parse import quote

import pytest

from services.api.http.places import PLACES, PlaceNumbers
from shared.accounts.models import User
from shared.admission import Holder
from shared.projects.models import Project
from shared.records import finder
from shared.records.filters import Both, RecordFilter
from shared.records.finder import Finder
from shared.records.reader import Relation
from shared.snapshots.models import Segment
from tests.support.api import Answer, Api
from tests.support.imported import imported
from tests.support.projects import ndjson, project
from tests.support.samples.table import packed
from tests.support.waiting import until

STATES = ("opened", "closed", "merged")


def _record(number: int, **more: Any) -> bytes:
    return json.dumps(
        {"iid": number, "title": f"t{number}", "source_branch": "s", "target_branch": "t", "x": "x" * 20_000}
        | more
    ).encode()


def _labels(*names: str) -> list[dict[str, Any]]:
    return [{"label": {"title": name}} for name in names]


@pytest.fixture
async def made(api: Api, ann: User) -> Project:
    """A project whose issues and merge requests fill several segments each."""
    lines = ndjson(
        *(_record(number, state=STATES[number % 3], label_links=_labels("all")) for number in range(1, 151))
    )
    return await imported(api, ann, project(issues=lines, merge_requests=lines))


async def _get(api: Api, made: Project, address: str, *, by: str | None = "ann") -> Answer:
    return await api.get(f"/projects/{made.id}/{address}", by=by)


async def _iids(api: Api, made: Project, address: str) -> list[int]:
    """The iids of all pages."""
    found: list[int] = []
    page = "1"
    while page:
        answer = await _get(api, made, f"{address}&per_page=20&page={page}")
        assert answer.status == 200, answer.body
        found += [item["iid"] for item in answer.body]
        page = answer.headers["X-Next-Page"]
    assert answer.headers["X-Total"] == str(len(found))
    return found


async def test_lists_are_filtered_by_state_and_counted_exactly(api: Api, made: Project) -> None:
    of = {state: [n for n in range(1, 151) if STATES[n % 3] == state] for state in STATES}
    for state in STATES:
        query = f"merge_requests?state={state}&scope=all"
        assert await _iids(api, made, f"{query}&sort=asc") == of[state]
        assert await _iids(api, made, query) == of[state][::-1]
    assert len(await _iids(api, made, "merge_requests?state=all")) == 150
    assert await _iids(api, made, "merge_requests?state=locked") == []
    assert await _iids(api, made, "issues?state=closed&sort=asc") == of["closed"]


@pytest.mark.parametrize(
    "query", ["iids[]=3&iids[]=149&iids[]=999", "iids%5B%5D=149&iids%5B%5D=3", "iids=3,149"]
)
async def test_lists_are_filtered_by_iids(api: Api, made: Project, query: str) -> None:
    assert await _iids(api, made, f"issues?{query}") == [149, 3]
    assert await _iids(api, made, f"merge_requests?{query}&state=opened") == [3]


async def test_a_page_of_a_filtered_list_is_the_same_for_ids_of_records(api: Api, made: Project) -> None:
    (shown,) = (await _get(api, made, "issues?iids[]=7")).body
    every = (await _get(api, made, "issues?sort=asc&per_page=10")).body
    assert shown == every[6]


async def test_lists_are_filtered_by_labels_all_of_which_are_needed(api: Api, ann: User) -> None:
    issues = ndjson(
        _record(1, label_links=_labels("a", "b")), _record(2, label_links=_labels("b")), _record(3)
    )
    made = await imported(api, ann, project(issues=issues))
    for query, iids in (
        ("labels=a,b", [1]),
        ("labels=b", [2, 1]),
        ("labels[]=b&labels[]=a", [1]),
        ("labels=c", []),
        ("labels=None", [3]),
        ("labels=Any", [2, 1]),
        ("labels=", [3, 2, 1]),
    ):
        assert await _iids(api, made, f"issues?{query}") == iids


async def test_states_as_numbers_are_states(api: Api, ann: User) -> None:
    lines = ndjson(_record(1, state_id=3), _record(2, state_id=1), _record(3, state_id="x"))
    made = await imported(api, ann, project(merge_requests=lines))
    assert await _iids(api, made, "merge_requests?state=merged") == [1]


@pytest.mark.parametrize(
    ("address", "problem"),
    [
        ("issues?state=merged", "state does not have a valid value"),
        ("merge_requests?state=x", "state does not have a valid value"),
        ("milestones?state=opened", "state does not have a valid value"),
        ("issues?iids[]=x", "iids is invalid"),
        ("issues?sort=up", "sort does not have a valid value"),
        ("issues?state=x&sort=y", "sort does not have a valid value, state does not have a valid value"),
        ("issues/x", "issue_iid is invalid"),
        ("merge_requests/x", "merge_request_iid is invalid"),
        ("milestones/x", "milestone_id is invalid"),
        ("snippets/x", "snippet_id is invalid"),
    ],
)
async def test_what_no_filter_or_number_is_is_refused(
    api: Api, made: Project, address: str, problem: str
) -> None:
    answer = await _get(api, made, address)
    assert (answer.status, answer.body) == (400, {"error": problem})


async def test_a_filter_costs_one_pass_for_all_pages(
    api: Api, made: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    inflated = 0

    def counted(*args: Any) -> Any:
        nonlocal inflated
        inflated += 1
        return filtered(*args)

    filtered = finder._filtered
    monkeypatch.setattr(finder, "_filtered", counted)
    segments = await api.pool.fetchval("SELECT count(*) FROM segments WHERE name LIKE '%/issues.%'")
    assert segments > 2

    await _get(api, made, "issues?state=opened&per_page=5")
    assert inflated <= segments + 2
    inflated = 0
    for page in range(2, 6):
        await _get(api, made, f"issues?state=opened&per_page=5&page={page}")
    assert inflated <= 4 * 2


class HeldPasses:
    """Stops each step of a pass for labels until a test lets it go on, and counts the steps of all passes."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.steps = 0
        self.go_on = asyncio.Event()
        matching = Finder._matching

        async def step(
            made: Finder, relation: Relation, segment: Segment, wanted: RecordFilter | Both
        ) -> Any:
            self.steps += 1
            asked = wanted.second if isinstance(wanted, Both) else wanted
            if isinstance(asked, RecordFilter) and asked.labels is not None:
                await self.go_on.wait()
            return await matching(made, relation, segment, wanted)

        monkeypatch.setattr(Finder, "_matching", step)


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> HeldPasses:
    return HeldPasses(monkeypatch)


async def test_thirty_abandoned_lists_of_a_stranger_leave_places_to_a_user(
    api: Api, made: Project, held: HeldPasses
) -> None:
    await api.pool.execute("UPDATE projects SET visibility = 20")
    lists = [
        asyncio.create_task(_get(api, made, f"issues?labels=q{number}", by=None)) for number in range(30)
    ]
    async with asyncio.timeout(20):
        refused = [await each for each in islice(asyncio.as_completed(lists), 21)]
        for each in lists:
            each.cancel()
        await asyncio.wait(lists)
        assert {(each.status, each.headers["RateLimit-Name"]) for each in refused} == {(429, "record_passes")}
        assert (await _get(api, made, "issues/7")).body["iid"] == 7
        assert await _iids(api, made, "issues?iids[]=7") == [7]
    held.go_on.set()


async def test_a_user_who_waits_for_lists_gets_a_single_record(
    api: Api, made: Project, held: HeldPasses
) -> None:
    lists = [asyncio.create_task(_get(api, made, f"issues?labels=q{number}")) for number in range(9)]
    async with asyncio.timeout(20):
        while api.app[PLACES].passes.waiting < 8:
            await asyncio.sleep(0)
        assert (await _get(api, made, "issues/7")).body["iid"] == 7
        assert (await _get(api, made, "issues?labels=q9")).status == 429
        held.go_on.set()
        assert {(await each).status for each in lists} == {200}


@pytest.mark.parametrize("api", [{"places": PlaceNumbers(passes=1)}], indirect=True)
async def test_a_list_that_was_counted_for_another_request_needs_no_place(
    api: Api, made: Project, held: HeldPasses
) -> None:
    passes, other = api.app[PLACES].passes, Holder.of_user(0)
    lists = [asyncio.create_task(_get(api, made, "issues?labels=all&per_page=5")) for _ in range(3)]
    async with asyncio.timeout(20):
        await until(lambda: passes.waiting == 2)
        waiting = asyncio.create_task(passes.take(other))
        await until(lambda: passes.waiting == 3)
        held.go_on.set()
        await waiting  # the next is who was not served yet, and has the only place from now on
        answers = [await each for each in lists]
        answers.append(await _get(api, made, "issues?labels=all&per_page=5&page=2"))
    assert [(each.status, each.headers["X-Total"]) for each in answers] == [(200, "150")] * 4
    assert (passes.held_by(other), passes.used, passes.waiting) == (1, 1, 0)
    passes.release(other)


async def test_who_waits_for_a_list_whose_pass_was_given_up_counts_it(
    api: Api, made: Project, held: HeldPasses
) -> None:
    passes = api.app[PLACES].passes
    first = asyncio.create_task(_get(api, made, "issues?labels=all"))
    async with asyncio.timeout(20):
        await until(lambda: passes.used == 1)
        second = asyncio.create_task(_get(api, made, "issues?labels=all"))
        await until(lambda: passes.waiting == 1)
        first.cancel()
        await until(lambda: passes.waiting == 0)
        held.go_on.set()
        assert (await second).headers["X-Total"] == "150"
    assert passes.used == 0


@pytest.mark.parametrize("api", [{"longest_pass": timedelta(0)}], indirect=True)
@pytest.mark.parametrize("address", ["issues?labels=none", "issues/150"])
async def test_a_pass_that_takes_too_long_ends_at_its_next_step(
    api: Api, made: Project, held: HeldPasses, address: str
) -> None:
    held.go_on.set()
    answer = await _get(api, made, address)
    assert (answer.status, answer.headers["Retry-After"]) == (503, "10")
    said = "503 Service Unavailable: looking through the records took over 0 seconds"
    assert answer.body == {"message": said}
    places = api.app[PLACES]
    assert (held.steps <= 1, places.passes.used, places.lookups.used) == (True, 0, 0)


async def test_what_is_kept_of_passes_is_bounded(
    api: Api, made: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finder, "KEPT", 2)
    for number in range(1, 6):
        assert await _iids(api, made, f"issues?iids[]={number}") == [number]
    assert await _iids(api, made, "issues?iids[]=1") == [1]


async def test_an_overwritten_project_is_looked_at_anew(api: Api, ann: User, made: Project) -> None:
    assert len(await _iids(api, made, "issues?state=opened")) == 50
    other = await imported(api, ann, project(issues=ndjson(_record(1, state="opened"))), path="other")
    await api.pool.execute(
        "UPDATE projects SET snapshot_id = (SELECT snapshot_id FROM projects WHERE id = $2) WHERE id = $1",
        made.id, other.id,
    )  # fmt: skip
    assert await _iids(api, made, "issues?state=opened") == [1]


@pytest.mark.parametrize("relation", ["issues", "merge_requests"])
async def test_a_single_record_is_that_of_the_list(api: Api, made: Project, relation: str) -> None:
    listed = {item["iid"]: item for item in (await _get(api, made, f"{relation}?per_page=100")).body}
    for iid in (150, 99):
        answer = await _get(api, made, f"{relation}/{iid}")
        assert (answer.status, answer.body) == (200, listed[iid])
    for iid in (0, 151, -1, 10**17):
        missing = await _get(api, made, f"{relation}/{iid}")
        assert (missing.status, missing.body) == (404, {"message": "404 Not found"})


async def test_single_records_of_a_whole_project(api: Api, ann: User) -> None:
    made = await imported(api, ann, packed("every_relation"))
    for relation, key, missing, text in (
        ("milestones", "id", "1", "404 Not found"),
        ("snippets", "id", "1", "404 Not found"),
        ("labels", "id", "none", "404 Label Not Found"),
        ("labels", "name", "4711", "404 Label Not Found"),
        ("releases", "tag_name", "none", "404 Not Found"),
    ):
        items = (await _get(api, made, relation)).body
        assert items
        for item in items:
            answer = await _get(api, made, f"{relation}/{quote(str(item[key]), safe='')}")
            assert (answer.status, answer.body) == (200, item)
        answer = await _get(api, made, f"{relation}/{missing}")
        assert (answer.status, answer.body) == (404, {"message": text})
    titled = await _get(api, made, "milestones?title=The%20first")
    assert [item["title"] for item in titled.body] == ["The first"]
    active = await _get(api, made, "milestones?state=active")
    assert active.headers["X-Total"] == str(len(active.body))


async def test_single_records_are_for_those_who_see_the_project(api: Api, made: Project) -> None:
    empty = await api.project(await api.user("bob"))
    for address in ("issues/1", "merge_requests/1", "milestones/1", "labels/a", "releases/a", "snippets/1"):
        for by in ("bob", None):
            answer = await _get(api, made, address, by=by)
            assert (answer.status, answer.body) == (404, {"message": "404 Project Not Found"})
        assert (await _get(api, empty, address, by="bob")).status == 404


async def test_a_tag_with_a_slash_is_one_segment_of_the_address(api: Api, ann: User) -> None:
    made = await imported(api, ann, project(releases=ndjson(b'{"tag":"v1/rc","name":"n"}')))
    assert (await _get(api, made, "releases/v1%2Frc")).body["name"] == "n"

from __future__ import annotations

from typing import Any

import pytest

from tests.e2e.browser.conftest import Visiting
from tests.support.browser import Visit

FORMATS = [
    ("size(0)", "0 bytes"),
    ("size(1)", "1 byte"),
    ("size(999)", "999 bytes"),
    ("size(1000)", "1.00 kB"),
    ("size(189478)", "189 kB"),
    ("size(48_200_000_000)", "48.2 GB"),
    ("size(1e18)", "1,000 PB"),
    ("sizeOf(1_860_000_000, 3_000_000_000)", "1.86 of 3.00 GB"),
    ("sizeOf(0, 900)", "0 of 900 bytes"),
    ("rate(96_000_000)", "96.0 MB/s"),
    ("count(120000)", "120,000"),
    ("counted(1, 'line')", "1 line"),
    ("counted(2, 'line')", "2 lines"),
    ("roughCount(1_234_567)", "1.2 million"),
    ("duration(0.0254)", "25 ms"),
    ("duration(0.44)", "0.4 s"),
    ("duration(59.4)", "59 s"),
    ("duration(60)", "1 min"),
    ("duration(185)", "3 min 5 s"),
    ("duration(7440)", "2 h 4 min"),
    ("duration(259200)", "3 days"),
    ("ago('2026-01-01T00:00:00Z', Date.parse('2026-01-01T00:00:01Z'))", "now"),
    ("ago('2026-01-01T00:00:02Z', Date.parse('2026-01-01T00:00:00Z'))", "now"),
    ("ago('2026-01-01T00:00:00Z', Date.parse('2026-01-01T00:00:18Z'))", "18 s ago"),
    ("ago('2026-01-01T00:00:00Z', Date.parse('2026-01-01T05:10:18Z'))", "5 h ago"),
    ("ago('2026-01-01T00:00:00Z', Date.parse('2026-01-03T05:10:18Z'))", "2 days ago"),
    ("ago('2026-01-01T00:01:00Z', Date.parse('2026-01-01T00:00:00Z'))", "in 1 min"),
    ("moment(null)", ""),
    ("day('2026-12-31')", "31 Dec 2026"),
    ("inShort('one line')", "one line"),
    ("inShort('first\\nsecond')", "first…"),
    ("inShort('abc def', 4)", "abc…"),
    ("midnight(new Date('2026-06-05T12:00:00Z'))", "2026-06-04T22:00:00.000Z"),
    ("shortDigest('0123456789abcdef0123456789abcdef')", "0123456789…6789abcdef"),
]


async def evaluate(visit: Visit, module: str, expression: str) -> Any:
    """Evaluate an expression of what a module of the console exports."""
    script = f"import(`${{document.documentElement.dataset.static}}/{module}.mjs`)"
    return await visit.page.evaluate(f"{script}.then((all) => all.{expression})")


async def test_numbers_and_times_are_written_for_people(visit: Visit) -> None:
    await visit.open("/none")
    told = {expression: await evaluate(visit, "format", expression) for expression, _ in FORMATS}
    assert told == dict(FORMATS)


async def test_numbers_are_those_of_the_locale_and_words_those_of_the_page(
    visiting_as: Visiting, ann: str
) -> None:
    async with visiting_as(ann, locale="de-DE") as visit:
        await visit.open("/none")
        assert await evaluate(visit, "format", "size(1_860_000_000)") == "1,86 GB"
        assert await evaluate(visit, "format", "count(120000)") == "120.000"
        assert await evaluate(visit, "format", "ago(new Date(Date.now() - 8500).toISOString())") == "8 s ago"


@pytest.mark.parametrize(
    ("link", "cursor"),
    [
        ('<https://elsewhere.example/a?cursor=xyz&per_page=50>; rel="next"', "xyz"),
        ('<http://127.0.0.1/a?per_page=50>; rel="first"', None),
        (None, None),
    ],
)
async def test_only_the_query_of_a_link_counts(visit: Visit, link: str | None, cursor: str | None) -> None:
    await visit.open("/none")
    given = "null" if link is None else repr(link)
    assert await evaluate(visit, "http", f"nextCursor({given})") == cursor

"""The pages that explain error codes: their meaning, who has to act, and whether a retry helps."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from html import escape
from importlib.resources import files

from aiohttp import web

from services.api.http.errors import RouteUnknown
from services.api.pages.html import address, page

TABLE = "problems.md"
_COLUMNS = 4
_CODE = re.compile("`+([^`]+)`+")
_PAGE = """<p>{meaning}</p>
<p>{act} {retry}</p>
<p><a href="{all}">All codes</a></p>"""

_ACT = {
    "client": "Change the request.",
    "archive": "The archive is at fault: repair it, or make another one.",
    "remote": "Another server is at fault, which Crossdock asks.",
    "us": "Crossdock is at fault, or what it runs on: ask whoever operates it.",
}
_RETRY = {"yes": "The same request may succeed later.", "no": "The same request fails again."}


@dataclass(frozen=True, slots=True)
class Problem:
    """A row of the table of all codes."""

    code: str
    fault: str
    retry: str
    meaning: str


@cache
def all_problems() -> dict[str, Problem]:
    """Read the table of all codes, which ``make codes`` makes from the error classes."""
    text = files(__package__).joinpath(TABLE).read_text("utf-8")
    rows = ([cell.strip() for cell in line.strip("| ").split("|")] for line in text.splitlines())
    cells = [row for row in rows if len(row) == _COLUMNS and row[0].startswith("`")]
    return {row[0].strip("`"): Problem(row[0].strip("`"), *row[1:]) for row in cells}


async def index(request: web.Request) -> web.Response:
    """GET /problems: all codes."""
    items = (
        f'<li><a href="{escape(address(request, f"/problems/{each.code}"))}">{escape(each.code)}</a>: '
        f"{_marked_up(each.meaning)}</li>"
        for each in all_problems().values()
    )
    return page(request, "Problems", f"<ul>{''.join(items)}</ul>")


async def show(request: web.Request) -> web.Response:
    """GET /problems/:code: the page to which ``type`` of a problem document refers."""
    problem = all_problems().get(request.match_info["code"])
    if problem is None:
        raise RouteUnknown
    return page(request, problem.code, _explanation(problem, all_codes=address(request, "/problems")))


def _explanation(problem: Problem, *, all_codes: str) -> str:
    return _PAGE.format(
        meaning=_marked_up(problem.meaning),
        act=_ACT[problem.fault],
        retry=_RETRY[problem.retry],
        all=escape(all_codes),
    )


def _marked_up(meaning: str) -> str:
    """Make HTML of a sentence, in which names stand between backquotes."""
    return _CODE.sub(r"<code>\1</code>", escape(meaning))

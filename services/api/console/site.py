"""What of the console is served, and where."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

from aiohttp import web
from yarl import URL

from services.api.console.assets import Asset, digest_of, read_assets
from services.api.console.page import NEEDED, make_page

PATH = "/-/console"
"""Where the console is. GitLab reserves ``-``, so that no group can take it."""

_HERE = Path(__file__).parent
_FIRST = ("pages/jobs.mjs", "session.mjs", "http.mjs")


class Presence(Enum):
    """Whether there is a console, and why not."""

    THERE = "there"
    OFF = "off"  # by the setting
    MISSING = "missing"  # the files of others are not installed


@dataclass(frozen=True, slots=True)
class Console:
    """The console: its page with the policy of that, our files, and those of others below their digest."""

    presence: Presence
    home: str
    page: str = ""
    policy: str = ""
    own: Mapping[str, Asset] = field(default_factory=dict, repr=False)
    vendor: Mapping[str, Asset] = field(default_factory=dict, repr=False)
    digest: str = ""


CONSOLE = web.AppKey("console", Console)


def make_console(external_url: str, *, is_on: bool = True, vendor: Path = _HERE / "vendor") -> Console:
    """Make the console for browsers that reach the server by ``external_url``, which may have a path."""
    prefix = URL(external_url).raw_path.rstrip("/")
    home = f"{prefix}{PATH}/jobs"
    others = read_assets(vendor)
    digest = digest_of(others)
    if not is_on or not set(NEEDED) <= others.keys():
        presence = Presence.MISSING if is_on else Presence.OFF
        return Console(presence, home, vendor=others, digest=digest)
    own = read_assets(_HERE / "static")
    ours, theirs = f"{prefix}{PATH}/static", f"{prefix}{PATH}/vendor/{digest}"
    modules = [f"{ours}/{name}" for name in own if _is_preloaded(name)]
    page, policy = make_page(prefix=prefix, own=ours, vendor=theirs, modules=modules)
    return Console(Presence.THERE, home, page, policy, own, others, digest)


def _is_preloaded(name: str) -> bool:
    """Return whether the first page needs a module: all do that are in no page, nor run in the worker."""
    return name.endswith(".mjs") and (name in _FIRST or not name.startswith(("pages/", "worker")))

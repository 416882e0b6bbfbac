"""What of the console is served, and where."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from posixpath import normpath

from aiohttp import web
from yarl import URL

from services.api.console.assets import Asset, digest_of, read_assets
from services.api.console.page import NEEDED, make_page

PATH = "/-/console"
"""Where the console is. GitLab reserves ``-``, so that no group can take it."""

_HERE = Path(__file__).parent
_FIRST = ("main.mjs", "pages/jobs.mjs")
_IMPORTED = re.compile(r'^(?:import|export)[^"]*\bfrom "(\.[^"]+)"', re.MULTILINE)


class Presence(Enum):
    """Whether there is a console, and why not."""

    THERE = "there"
    OFF = "off"  # by the setting
    MISSING = "missing"  # the files of others are not installed


@dataclass(frozen=True, slots=True)
class Console:
    """The console: its page with the policy of that, our files, and those of others, below their digests."""

    presence: Presence
    home: str
    page: str = ""
    policy: str = ""
    own: Mapping[str, Asset] = field(default_factory=dict, repr=False)
    own_digest: str = ""
    vendor: Mapping[str, Asset] = field(default_factory=dict, repr=False)
    digest: str = ""


CONSOLE = web.AppKey("console", Console)


def make_console(external_url: str, *, is_on: bool = True, vendor: Path = _HERE / "vendor") -> Console:
    """Make the console for browsers that reach the server by ``external_url``, which may have a path."""
    prefix = URL(external_url).raw_path.rstrip("/")
    home = f"{prefix}{PATH}/jobs"
    others = read_assets(vendor)
    if not is_on or not set(NEEDED) <= others.keys():
        presence = Presence.MISSING if is_on else Presence.OFF
        return Console(presence, home, vendor=others, digest=digest_of(others))
    own = read_assets(_HERE / "static")
    digest, own_digest = digest_of(others), digest_of(own)
    ours, theirs = f"{prefix}{PATH}/static/{own_digest}", f"{prefix}{PATH}/vendor/{digest}"
    modules = [f"{ours}/{name}" for name in _needed(own, *_FIRST)]
    page, policy = make_page(prefix=prefix, own=ours, vendor=theirs, modules=modules)
    return Console(Presence.THERE, home, page, policy, own, own_digest, others, digest)


def _needed(own: Mapping[str, Asset], *first: str) -> list[str]:
    """Return these modules and all that they import, which a browser would else find one after the other."""
    found = dict.fromkeys(first)
    waiting = list(first)
    while waiting:
        name = waiting.pop(0)
        text = own[name].body.decode()
        imported = [normpath(f"{name}/../{each}") for each in _IMPORTED.findall(text)]
        waiting += [each for each in imported if each not in found]
        found |= dict.fromkeys(imported)
    return list(found)

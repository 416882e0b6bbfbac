"""What xdist gives to one worker at once: the tests of a file, or all that share a running Crossdock."""

from __future__ import annotations

import re

from xdist.scheduler import LoadFileScheduling

_BROWSER = "tests/e2e/browser/"
_FORM = re.compile(r"\[(standalone|distributed)\b")
_STANDALONE, _DISTRIBUTED = "standalone", "distributed"
_OTHERS = {
    "tests/e2e/clients/test_curl.py": _STANDALONE,
    "tests/e2e/queue/test_examples.py": _DISTRIBUTED,
    "tests/e2e/test_cli.py": _STANDALONE,
    "tests/e2e/test_dashboard.py": _STANDALONE,
    "tests/e2e/test_dead_letters.py": _DISTRIBUTED,
    "tests/e2e/test_github.py": _STANDALONE,
    "tests/e2e/test_secrets.py": _STANDALONE,
}
"""Files whose tests ask for one form by its name."""


class FormScheduling(LoadFileScheduling):  # type: ignore[misc]  # xdist has no types
    """Lets one worker start the standalone form, and one the distributed form, for all files.

    Each worker would else start and keep both, as files that share them come to all workers.
    """

    def _split_scope(self, nodeid: str) -> str:
        return scope_of(nodeid)


def scope_of(nodeid: str) -> str:
    """Give the name of what a test is run with."""
    file = nodeid.partition("::")[0]
    form = _FORM.search(nodeid) if file.startswith("tests/e2e/") else None
    if file.startswith(_BROWSER):
        return _STANDALONE  # and so one worker starts one browser
    return form[1] if form else _OTHERS.get(file, file)

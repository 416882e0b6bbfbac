"""Nothing of a session outlives its use: the pool does not reset connections."""

from __future__ import annotations

import re
from pathlib import Path

STATE = re.compile(r"pg_(?:try_)?advisory_lock\(|[\"']SET (?!LOCAL)|[\"']LISTEN |\.add_listener\(")
OF_THEIR_OWN_SESSIONS = {
    "shared/database/leadership.py",
    "shared/database/migrate.py",
    "shared/database/notifications.py",
    "shared/idempotency/life.py",
}


def test_locks_settings_and_channels_of_sessions_are_used_on_sessions_outside_of_the_pool_only() -> None:
    sources = [path for folder in ("shared", "services") for path in Path(folder).rglob("*.py")]
    assert {str(path) for path in sources if STATE.search(path.read_text())} == OF_THEIR_OWN_SESSIONS

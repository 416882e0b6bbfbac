"""What to do where a server refuses a request by these words, which are GitLab's."""

from __future__ import annotations

import re

_HINTS = {
    r"Only allowed schemes are https$": (
        "whoever runs a Crossdock can allow http by CROSSDOCK_ALLOW_HTTP_REMOTE_IMPORTS"
    ),
    r"Requests to .+ (?:is|are) not allowed$": (
        "an administrator can allow it: this host by the setting outbound_local_requests_allowlist"
    ),
}


def with_hint(message: str) -> str:
    """Return the message, with what to do about it where that is known."""
    hint = next((hint for words, hint in _HINTS.items() if re.search(words, message)), None)
    return message if hint is None else f"{message}: {hint}"

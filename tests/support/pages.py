"""Pages as a careful browser sees them."""

from __future__ import annotations

import hashlib
import re
from base64 import b64encode

from tests.support.api import Answer


def is_safe(answer: Answer) -> bool:
    """Whether the page runs nothing, loads nothing, and may be neither framed nor kept."""
    text = answer.body.decode()
    (style,) = re.findall("<style>(.*?)</style>", text, re.DOTALL)
    known = b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert answer.headers["Content-Security-Policy"] == (
        f"default-src 'none'; style-src 'sha256-{known}'; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'"
    )
    assert answer.headers["Referrer-Policy"] == "same-origin"
    assert answer.headers["Cache-Control"] == "no-store"
    return not re.search(r"<script|src=|style=|\son\w+=", text)

"""The phases of a connection."""

from __future__ import annotations

from enum import Enum


class Phase(Enum):
    """What a connection does. Only HEAD and IDLE have a time limit, and only they are evicted."""

    HEAD = "head"  # waits for a complete head: from the accept, or the first byte of a further request, on
    BUSY = "busy"  # has a request at work
    SENDING = "sending"  # its request is answered, but the answer may not be written yet
    IDLE = "idle"  # waits for a further request

"""How the memory of a process is allocated."""

from __future__ import annotations

import ctypes
import gc
from contextlib import suppress

_ARENA_MAX = -8
"""M_ARENA_MAX of mallopt(3)."""


def share_one_arena() -> None:
    """Have all threads allocate from one arena. Called before there are threads; only glibc has arenas.

    Buffers go from thread to thread, and each arena keeps for itself what was freed in it: an import with
    four threads had 8 to 16 MiB more at its peak.
    """
    with suppress(AttributeError):
        ctypes.CDLL(None).mallopt(_ARENA_MAX, 1)


def freeze_heap() -> None:
    """Let the garbage collector pass over all objects there are. Called when a service is set up.

    They are modules, models of S3 and routes, which stay as long as the process. To look at them again and
    again was a tenth of the processor time of an upload.
    """
    gc.freeze()

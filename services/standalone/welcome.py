"""What a standalone says when it listens: where it is, how to sign in, where its data are; and at its end."""

from __future__ import annotations

import sys
from contextlib import suppress
from pathlib import Path

from shared.settings.environment import Settings

_WORDS = """
Crossdock listens at {address}

  {how}
  The API is described at {address}/api/docs, and the data are in {data}.

"""
_MADE = """Sign in as root with this token. It is shown this once:

      {token}
"""
_GIVEN = "Sign in as root with the token that CROSSDOCK_ROOT_TOKEN gives."
_KEPT = (
    "Sign in with a token that you have. Where root's is lost, make another one:\n"
    "  crossdock admin create-token root --data {data}"
)


def welcome(settings: Settings, data: Path, token: str | None) -> str:
    """Give the words. ``token`` is the one that was made for root at this start, if one was."""
    without_new = _KEPT.format(data=data) if settings.root_token is None else _GIVEN
    how = without_new if token is None else _MADE.format(token=token)
    return _WORDS.format(address=settings.base_url, how=how, data=data)


def stopping(settings: Settings) -> str:
    """Give the words of the beginning of the end: what is waited for, and for how long at most."""
    seconds = f"{settings.drain_seconds:g}"
    words = f"Requests and jobs have {seconds} s to end. A job that has not goes on at the next start."
    return f"\nCrossdock stops. {words}\n"


def farewell(data: Path) -> str:
    """Give the last words: that it has ended by itself, and where everything is."""
    return f"Crossdock has stopped. The data stay in {data}.\n"


def print_words(words: str) -> None:
    """Print on stdout, apart from the logs; go on where nobody takes it."""
    with suppress(OSError, ValueError):  # ValueError: the stream is closed
        sys.stdout.write(words)
        sys.stdout.flush()

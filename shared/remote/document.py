"""An answer that is read whole into memory, whatever its status, up to a bound."""

from __future__ import annotations

from dataclasses import dataclass, field

from multidict import CIMultiDictProxy


@dataclass(frozen=True, slots=True)
class RemoteDocument:
    """The answer to a GET request; ``body`` is whole."""

    status: int
    headers: CIMultiDictProxy[str] = field(repr=False)
    body: bytes = field(repr=False)

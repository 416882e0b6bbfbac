"""Finds out, while a pack streams by, whether it has all commits and tags that its references lead to."""

from __future__ import annotations

import hashlib
import re
from array import array
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Iterator

from shared.git.deltas import apply_delta
from shared.git.pack_objects import ObjectHead, ObjectKind, ObjectLooker

MOST_OBJECTS = 200_000
"""Commits and tags whose ids are remembered at once; in a longer history, nothing is found out."""

MOST_TEXT = 16 * 1024 * 1024
"""Bytes of commits and tags that are held, the newest, as others may be deltas of them."""

_LONGEST_TEXT = 64 * 1024
"""Bytes of one commit or tag that are looked at; what it names stands at its beginning."""

_LONGEST_DELTA = 16 * 1024
"""Bytes of what a delta stands for: a few bytes of one may stand for many."""

MOST_NEEDS = 4 * MOST_OBJECTS
"""Parents of commits and targets of tags that are remembered."""

_OWN_COST = 200
_MOST_UNKNOWN = 1000
_ID = rb"(?:[0-9a-f]{64}|[0-9a-f]{40})"
_COMMIT = re.compile(rb"tree %b\n((?:parent %b\n){0,128})" % (_ID, _ID))
_TAG = re.compile(rb"object (%b)\ntype (?:commit|tag)\n" % _ID)
_HISTORY = (ObjectKind.COMMIT, ObjectKind.TAG)


class HistoryLooker(ObjectLooker):
    """Looks for what references name, and for the parents of commits and the targets of tags, in one pass.

    ``commits`` are ids of objects that have to be commits, ``others`` those that may be anything. Deltas of
    commits are applied where their bases are still held; each of the rest may be any one that is missing, so
    that it counts against that. Trees and blobs are looked at only as long as one of ``others`` is not found:
    whether a commit lacks files is not found out. Memory: 200 bytes for each id, and ``MOST_TEXT``.
    """

    def __init__(self, object_format: str, *, commits: Iterable[bytes], others: Collection[bytes]) -> None:
        self._format = object_format
        self._graph = _Graph()
        self._tips = {*commits, *others}
        for tip in self._tips.difference(others):
            self._graph.need(tip)
        self._others = self._tips.intersection(others)
        self._texts = _Texts()
        self._unknown = 0
        self._unknown_others = 0
        self._at = 0
        self._kind: ObjectKind | None = None
        self._base: bytes | None = None
        self._text = bytearray()
        self._digest = hashlib.new(object_format, usedforsecurity=False)

    @property
    def missing(self) -> int:
        """How many objects are certainly not there, once all of the pack has come."""
        if self._gives_up:
            return 0
        lost = 0 if self._graph.is_closed else self._graph.count_missing(self._tips)
        return max(0, lost - self._unknown) + max(0, len(self._others) - self._unknown_others)

    @property
    def is_decided(self) -> bool:
        """Whether looking on changes nothing, or tells nothing."""
        others_may_be_there = len(self._others) <= self._unknown_others
        return self._gives_up or (self._graph.is_closed and others_may_be_there)

    @property
    def _gives_up(self) -> bool:
        return self._graph.is_full or self._unknown > _MOST_UNKNOWN

    def begin(self, head: ObjectHead) -> Callable[[bytes], None] | None:
        """See ObjectLooker."""
        self._at, self._base, self._kind = head.at, None, head.kind
        if head.kind.is_delta:
            self._kind, self._base = self._find_base(head)
        self._text.clear()
        if self._kind is None or (self._kind not in _HISTORY and not self._others):
            self._kind = None
            return None
        if self._base is not None:
            return self._keep
        self._digest = self._new_digest(head.size)
        return self._take if self._kind in _HISTORY else self._digest.update

    def end(self) -> None:
        """See ObjectLooker."""
        if self._kind is None:
            return
        text = bytes(self._text)
        if self._base is not None:
            text = apply_delta(self._base, text, longest=_LONGEST_DELTA) or b""
            if not text:
                self._pass_over(may_be_history=True)
                return
            self._digest = self._new_digest(len(text))
            self._digest.update(text)
        self._find(self._digest.digest(), self._kind, text)

    def _find_base(self, head: ObjectHead) -> tuple[ObjectKind | None, bytes | None]:
        """Give the kind and the base of a delta; neither where it is not, or cannot be, applied."""
        if head.base is None:
            self._pass_over(may_be_history=True)
            return None, None
        kind, base = self._texts.find(head.base)
        if base is not None and head.size <= _LONGEST_DELTA:
            return kind, base
        self._pass_over(may_be_history=kind is not None or self._texts.may_have_had(head.base))
        return None, None

    def _pass_over(self, *, may_be_history: bool) -> None:
        """Count an object of which is not known what it is: it may be one that is looked for."""
        self._unknown += may_be_history
        self._unknown_others += bool(self._others)

    def _new_digest(self, size: int) -> hashlib._Hash:
        assert self._kind is not None  # noqa: S101  # the callers know it
        return hashlib.new(self._format, b"%b %d\0" % (self._kind.word, size), usedforsecurity=False)

    def _take(self, data: bytes) -> None:
        self._digest.update(data)
        self._keep(data)

    def _keep(self, data: bytes) -> None:
        self._text += data[: _LONGEST_TEXT - len(self._text)]

    def _find(self, object_id: bytes, kind: ObjectKind, text: bytes) -> None:
        self._others.discard(object_id)
        if kind in _HISTORY and not self._graph.is_full:
            self._graph.add(object_id, _named_in(kind, text))
            self._texts.keep(self._at, kind, text)


def _named_in(kind: ObjectKind, text: bytes) -> Iterator[bytes]:
    """Give the ids of the commits and tags that a commit or a tag needs."""
    found = (_COMMIT if kind is ObjectKind.COMMIT else _TAG).match(text)
    for name in found[1].split() if found else ():
        if name != b"parent":
            yield bytes.fromhex(name.decode())


class _Graph:
    """Objects by their ids, whether each is there, and which needs which."""

    def __init__(self) -> None:
        self._numbers: dict[bytes, int] = {}
        self._there = bytearray()
        self._needing, self._needed = array("I"), array("I")
        self._missing = 0

    @property
    def is_full(self) -> bool:
        """Whether there is more than is remembered."""
        return len(self._numbers) > MOST_OBJECTS or len(self._needed) > MOST_NEEDS

    @property
    def is_closed(self) -> bool:
        """Whether all that was needed by now is there."""
        return not self._missing

    def need(self, object_id: bytes) -> int:
        """Remember that an object is needed, and give its number."""
        number = self._numbers.setdefault(object_id, len(self._there))
        if number == len(self._there):
            self._there.append(False)
            self._missing += 1
        return number

    def add(self, object_id: bytes, needed: Iterable[bytes]) -> None:
        """Remember that an object is there, and what it needs."""
        number = self.need(object_id)
        if self._there[number]:
            return
        self._there[number] = True
        self._missing -= 1
        for each in needed:
            self._needing.append(number)
            self._needed.append(self.need(each))

    def count_missing(self, tips: Iterable[bytes]) -> int:
        """Count what is not there of all that ``tips`` lead to: what is left of other history is let be."""
        following: dict[int, list[int]] = {}
        for needing, needed in zip(self._needing, self._needed, strict=True):
            following.setdefault(needing, []).append(needed)
        open_ = [self._numbers[tip] for tip in tips if tip in self._numbers]
        reached = set(open_)
        while open_:
            for each in following.pop(open_.pop(), ()):
                if each not in reached:
                    reached.add(each)
                    open_.append(each)
        return sum(not self._there[each] for each in reached)


class _Texts:
    """Commits and tags by where they begin, of which the oldest go where there are too many."""

    def __init__(self) -> None:
        self._texts: OrderedDict[int, tuple[ObjectKind, bytes]] = OrderedDict()
        self._size = 0
        self._dropped_up_to = 0

    def find(self, at: int) -> tuple[ObjectKind | None, bytes | None]:
        """Give what begins there: its kind, and its bytes where they are whole."""
        kind, text = self._texts.get(at, (None, None))
        return kind, text if text is not None and len(text) < _LONGEST_TEXT else None

    def may_have_had(self, at: int) -> bool:
        """Tell whether a commit or a tag may have begun there that has gone."""
        return at <= self._dropped_up_to

    def keep(self, at: int, kind: ObjectKind, text: bytes) -> None:
        """Keep an object."""
        self._texts[at] = kind, text
        self._size += len(text) + _OWN_COST
        while self._size > MOST_TEXT:
            oldest, (_, gone) = self._texts.popitem(last=False)
            self._size -= len(gone) + _OWN_COST
            self._dropped_up_to = max(self._dropped_up_to, oldest)

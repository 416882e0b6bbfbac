"""Reads the features of a project from its ``project_feature`` record."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from functools import partial

from shared.database.pool import Database, Pool
from shared.gitlab import features
from shared.gitlab.features import ProjectFeatures
from shared.records.fields import Fields, reader
from shared.records.reader import find_relation, records_backwards
from shared.snapshots import lifecycle
from shared.storage.base import ObjectStore

_INLINE = 64 * 1024
_read = reader(*map(features.attribute, features.NAMES))


async def read_features(db: Database, store: ObjectStore, snapshot_id: int) -> ProjectFeatures:
    """Read the features of a snapshot, open or committed; all are enabled where it has no record of them.

    Of several records the last counts, as in GitLab, where each replaces the one before. One segment is held.
    Raises SnapshotGone, CorruptSegment and StorageError.
    """
    relation = await find_relation(db, snapshot_id, features.RELATION)
    if relation is None or not relation.length:
        return ProjectFeatures()
    last = records_backwards(db, store, relation, last=relation.length - 1, count=1)
    async with aclosing(last) as lines:
        line = await anext(lines)
    read = _read(line) if len(line) <= _INLINE else await asyncio.to_thread(_read, line)
    return ProjectFeatures.of(partial(_value, read))


async def features_of(pool: Pool, store: ObjectStore, content: lifecycle.CurrentContent) -> ProjectFeatures:
    """Give the features of a project's current content, its overrides included.

    They are in the snapshot's row. Where a version before this one committed the snapshot, they are read from
    its record, and written into the row. Raises what ``read_features`` raises.
    """
    found, snapshot_id = content.features, content.snapshot_id
    if found is None and snapshot_id is not None:
        found = await read_features(pool, store, snapshot_id)
        await lifecycle.keep_features(pool, snapshot_id, found)
    return (found or ProjectFeatures()).overridden(content.overrides)


def _value(read: Fields, name: str) -> object:
    """Give the level of a feature; None where the record has none, and -1 where that is no number."""
    attribute = features.attribute(name)
    if bytes(read.raw(attribute)) == b"null":
        return None
    number = read.number(attribute)
    return -1 if number is None else number

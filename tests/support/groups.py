"""Archives of groups, made of their attributes and relations."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from tests.support.archives import file, packed

Attributes = Mapping[str, Any]


def group(number: int, parent_id: int | None = None, path: str = "", **more: Any) -> dict[str, Any]:
    """The attributes of a group, as GitLab writes them."""
    path = path or f"group-{number}"
    known = {"name": path.capitalize(), "path": path, "description": "", "visibility_level": 0}
    return {"id": number, "parent_id": parent_id, **known, **more}


def group_files(
    groups: Iterable[Attributes], relations: Mapping[tuple[int, str], Iterable[bytes]] | None = None
) -> list[tuple[str, bytes]]:
    """The files of an archive of groups."""
    known = list(groups)
    index = "".join(f"{each['id']}\n" for each in known).encode()
    return [
        ("VERSION", b"0.2.4"),
        ("tree/groups/_all.ndjson", index),
        *((f"tree/groups/{each['id']}.json", json.dumps(each).encode()) for each in known),
        *(
            (f"tree/groups/{number}/{relation}.ndjson", b"".join(line + b"\n" for line in lines))
            for (number, relation), lines in (relations or {}).items()
        ),
    ]


def group_archive(
    groups: Iterable[Attributes], relations: Mapping[tuple[int, str], Iterable[bytes]] | None = None
) -> bytes:
    """An archive of groups, whose root is the first of them."""
    return archive_of(group_files(groups, relations))


def archive_of(files: Iterable[tuple[str, bytes]]) -> bytes:
    """An archive of files."""
    return packed(*(file(name, data) for name, data in files))

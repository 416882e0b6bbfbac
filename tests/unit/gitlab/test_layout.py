from __future__ import annotations

from pathlib import Path

import pytest

from shared.gitlab import layout
from shared.gitlab.layout import (
    FILE_TYPES,
    FileKind,
    file_name,
    folder_of,
    kind_of,
    lfs_oid_of,
    oid_of,
    relation_of,
)

ROOT = Path(__file__).parents[3]
SPELLED_ONCE = ("tree/project/", "lfs-objects", ".ndjson", "project.bundle")


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("VERSION", FileKind.VERSION),
        ("tree/project.json", FileKind.PROJECT),
        ("tree/project/issues.ndjson", FileKind.RELATION),
        ("project.bundle", FileKind.REPOSITORY),
        ("project.wiki.bundle", FileKind.WIKI),
        ("project.design.bundle", FileKind.DESIGN),
        ("snippets/1.bundle", FileKind.SNIPPET),
        ("lfs-objects.json", FileKind.LFS_INDEX),
        (f"lfs-objects/{'0' * 64}", FileKind.LFS_OBJECT),
        ("uploads/secret/folder/picture.png", FileKind.UPLOAD),
        ("avatar/face.png", FileKind.AVATAR),
        ("snippets/a/b.bundle", FileKind.OTHER),
        ("snippets/a.txt", FileKind.OTHER),
        ("lfs-objects/a/b", FileKind.OTHER),
        ("uploads/", FileKind.OTHER),
        ("x/VERSION", FileKind.OTHER),
        ("tree/project/issues.ndjson.gz", FileKind.OTHER),
        ("project_bundle", FileKind.OTHER),
    ],
)
def test_a_name_says_what_the_file_is(name: str, kind: FileKind) -> None:
    assert kind_of(name) is kind


@pytest.mark.parametrize("file_type", FILE_TYPES, ids=lambda each: each.kind.value)
def test_a_name_that_is_made_for_a_kind_is_of_that_kind(file_type: layout.FileType) -> None:
    name = file_name(file_type.kind, r"a\1{name}")
    assert kind_of(name) is file_type.kind
    assert name.startswith(folder_of(file_type.kind))


def test_the_parts_of_names_are_read_back() -> None:
    assert relation_of(layout.relation_file("issues")) == "issues"
    assert oid_of(file_name(FileKind.LFS_OBJECT, "ab")) == "ab"
    assert lfs_oid_of(file_name(FileKind.LFS_OBJECT, "ab")) == "ab"
    assert lfs_oid_of("uploads/ab") is None


def test_every_kind_of_file_stands_in_the_table_once() -> None:
    kinds = [each.kind for each in FILE_TYPES]
    assert sorted(kinds, key=lambda kind: kind.value) == sorted(
        set(FileKind) - {FileKind.OTHER}, key=lambda kind: kind.value
    )


def test_nothing_but_the_table_spells_a_name_of_the_archive() -> None:
    places = [
        f"{path.relative_to(ROOT)}: {text}"
        for folder in ("services", "shared")
        for path in (ROOT / folder).rglob("*.py")
        if path != Path(layout.__file__) and "demo" not in path.parts
        for text in SPELLED_ONCE
        if text in path.read_text()
    ]
    assert places == []

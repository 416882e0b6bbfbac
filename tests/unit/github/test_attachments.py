from __future__ import annotations

from dataclasses import replace

import pytest

from shared.github.attachments import ATTACHMENT_TYPES, AttachmentFinder
from shared.github.statistics import ObjectType
from tests.support.github_answers import ORIGIN, issue, raw

FINDER = AttachmentFinder(ORIGIN)
ASSET = "https://github.com/user-attachments/assets/0b1c"
IMAGE = "https://user-images.githubusercontent.com/1/2-3.png"
DOCUMENT = "https://github.com/octo/hello/files/1/notes.pdf"


@pytest.mark.parametrize(
    "address",
    [
        ASSET,
        "https://github.com/user-attachments/files/1/a.zip",
        IMAGE,
        f"{IMAGE}?raw=true",
        DOCUMENT,
        "https://github.com/octo/hello/assets/1/0b1c",
        "https://github.com/octo/other/assets/1/0b1c",
    ],
)
def test_files_that_github_holds_are_attachments(address: str) -> None:
    assert FINDER.find(f"text {address}") == (address,)


@pytest.mark.parametrize(
    "address",
    [
        "https://github.com/user-attachments",
        "https://user-images.githubusercontent.com/1/2.pdf",
        "https://github.com/octo/hello/files/1/a.exe",
        "https://github.com/octo/hello/blob/main/a.png",
        "https://github.com/octo/hello/issues/1",
        "https://elsewhere.example/user-attachments/assets/0b1c",
    ],
)
def test_other_addresses_are_none(address: str) -> None:
    assert FINDER.find(address) == ()


@pytest.mark.parametrize(
    "text",
    [f"![x]({ASSET})", f"[x]({ASSET} 'title')", f'<img src="{ASSET}">', f"<{ASSET}>", f"See {ASSET}."],
)
def test_an_address_ends_where_its_markdown_or_sentence_does(text: str) -> None:
    assert FINDER.find(text) == (ASSET,)


def test_code_has_none() -> None:
    assert FINDER.find(f"`{ASSET}`\n```\n{IMAGE}\n```\n{DOCUMENT}") == (DOCUMENT,)


def test_an_address_counts_once_a_text() -> None:
    assert FINDER.find(f"{ASSET} {IMAGE} {ASSET}") == (ASSET, IMAGE)


def test_another_host_has_its_own() -> None:
    finder = AttachmentFinder(replace(ORIGIN, web_url="https://git.example"))
    address = "https://git.example/user-attachments/assets/1"
    assert finder.find(f"{ASSET} {address}") == (address,)


def test_the_text_of_an_answer_is_searched_whatever_it_is() -> None:
    assert FINDER.find_in(issue(body=ASSET)) == (ASSET,)
    assert [FINDER.find_in(raw(each)) for each in (None, {}, {"body": None}, {"body": 1})] == [()] * 4


def test_an_address_counts_as_what_its_text_is_of() -> None:
    assert ATTACHMENT_TYPES[ObjectType.ISSUE] is ObjectType.ISSUE_ATTACHMENT
    assert ATTACHMENT_TYPES[ObjectType.DIFF_NOTE] is ObjectType.NOTE_ATTACHMENT

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from shared.github.answers import User
from shared.github.markdown import code_ranges
from shared.github.texts import TextFormatter, cut_title, quote_mentions, rename_text
from tests.support.github_answers import ORIGIN

ANN, BOB = User(1, "ann"), User(2, "bob")
GHOST = User(10137, "ghost")
TEXTS = TextFormatter(ORIGIN)
HERE = "https://here.example/group/one/-"
LIVE = re.compile(r"(?<![\w/=&?#%+.@-])@\w", re.ASCII)


def test_a_text_of_nobody_says_who_wrote_it() -> None:
    assert TEXTS.format("text", BOB) == "*Created by: bob*\n\ntext"


@pytest.mark.parametrize("author", [ANN, GHOST])
def test_a_text_of_somebody_here_or_of_the_ghost_does_not(author: User) -> None:
    assert TEXTS.format("text", author) == "text"


@pytest.mark.parametrize("text", ["", "\0"])
def test_an_empty_text_stays_empty(text: str) -> None:
    assert TEXTS.format(text, BOB) == ""


def test_no_text_stays_none() -> None:
    assert TEXTS.format_optional(None, BOB) is None
    assert TEXTS.format_optional("x", ANN) == "x"


@pytest.mark.parametrize(
    ("link", "rewritten"),
    [
        ("https://github.com/octo/hello/issues/4", f"{HERE}/issues/4"),
        ("https://github.com/octo/hello/issues", f"{HERE}/issues"),
        ("https://github.com/octo/hello/pull/4#issuecomment-1", f"{HERE}/merge_requests/4#issuecomment-1"),
        ("https://github.com/octo/hello/pulls", f"{HERE}/merge_requests"),
        ("https://github.com/Octo/Hello/pull/4", f"{HERE}/merge_requests/4"),
        ("https://github.com/octo/hello/blob/main/a.md", f"{HERE}/blob/main/a.md"),
        ("(https://github.com/octo/hello/issues/4)", f"({HERE}/issues/4)"),
    ],
)
def test_links_to_the_repository_lead_here(link: str, rewritten: str) -> None:
    assert TEXTS.rewrite(f"see {link}") == f"see {rewritten}"


@pytest.mark.parametrize(
    "link",
    [
        "https://github.com/octo/other/issues/4",
        "https://github.com/octo/hello/issues-and-more",
        "https://github.com/octo/hello/pullers",
        "https://github.com/octo/hello/tree/main",
        "https://elsewhere.example/octo/hello/issues/4",
    ],
)
def test_other_links_stay(link: str) -> None:
    assert TEXTS.rewrite(link) == link


@pytest.mark.parametrize(
    ("text", "quoted"),
    [
        ("@ann", "`@ann`"),
        ("hi @ann-b_c, and (@bob)", "hi `@ann-b_c`, and (`@bob`)"),
        ("@org/team", "`@org/team`"),
        ("*@ann*, [@bob](x)", "*`@ann`*, [`@bob`](x)"),
        ("line\n@ann\r\n", "line\n`@ann`\r\n"),
        ("`@ann` and ``@ann`b``", "`@ann` and ``@ann`b``"),
        ("```\n@ann\n```\n@bob", "```\n@ann\n```\n`@bob`"),
        ("~~~ text\n@ann\n~~~", "~~~ text\n@ann\n~~~"),
        ("a@b.example, https://x.example/@ann", "a@b.example, https://x.example/@ann"),
        ("@ @@ @-", "@ @@ @-"),
        # What a backtick that is left over would undo:
        ("a ` b @ann", "a ` b ``@ann``"),
        ("`@ann", "` ``@ann``"),
        ("a `\n`@ann`", "a `\n` ``@ann`` `"),
        ("```\n@ann", "```\n`@ann`"),
        ("\\`@ann`", "\\` ``@ann`` `"),
        ("\\@ann", "\\ `@ann`"),
        ("- ```\n@ann\n```", "- ```\n`@ann`\n```"),
        ("  ```\n```\n@ann\n```", "  ```\n```\n`@ann`\n```"),
    ],
)
def test_mentions_are_quoted_and_code_stays(text: str, quoted: str) -> None:
    assert quote_mentions(text) == quoted


PIECES = ["`", "``", "```", "@a", "@b ", " ", "\n", "\n\n", "\\", "- ", "> ", "    ", "x", "~~~", "*", "1. "]
FENCES = ["\n```\n", "\n  ```\n", "\n- ```\n", "\n~~~\n", "\r\n"]


@given(st.lists(st.sampled_from([*PIECES, *FENCES]), max_size=14).map("".join))
def test_no_mention_is_left_outside_of_code_as_commonmark_has_it(text: str) -> None:
    blocks = MarkdownIt("commonmark").parse(quote_mentions(text))
    inline = [each for block in blocks if block.type == "inline" for each in block.children or ()]
    assert [each.content for each in inline if each.type == "text" and LIVE.search(each.content)] == []


@given(st.lists(st.sampled_from([*PIECES, *FENCES]), max_size=14).map("".join))
def test_quoting_adds_nothing_but_backticks_and_blanks(text: str) -> None:
    kept = quote_mentions(text).replace("`", "").replace(" ", "")
    assert kept == text.replace("`", "").replace(" ", "")


def test_ranges_of_code_are_in_order_and_apart() -> None:
    text = "`a` x\n```\nb\n```\n`c`"
    assert [text[start:end] for start, end in code_ranges(text)] == ["`a`", "```\nb\n```", "`c`"]


def test_attachments_that_were_fetched_lead_to_uploads() -> None:
    uploads = {"https://x.example/a": "/uploads/1/a", "https://x.example/ab": "/uploads/2/ab"}
    text = "![](https://x.example/ab) https://x.example/a https://x.example/b"
    rewritten = "![](/uploads/2/ab) /uploads/1/a https://x.example/b"
    assert TEXTS.format(text, ANN, uploads=uploads) == rewritten


@pytest.mark.parametrize(
    ("title", "cut"),
    [("x" * 255, "x" * 255), ("x" * 256, "x" * 252 + "..."), ("a\0b", "ab"), ("é" * 256, "é" * 252 + "...")],
)
def test_a_title_is_cut_to_what_gitlab_takes(title: str, cut: str) -> None:
    assert cut_title(title) == cut


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ("a x c", "a yy c", "**a {-x-} c** to **a {+yy+} c**"),
        ("a", "ab", "**a** to **a{+b+}**"),
        ("aa", "a", "**a{-a-}** to **a**"),
        ("a", "b", "**{-a-}** to **{+b+}**"),
    ],
)
def test_a_rename_shows_the_difference(before: str, after: str, told: str) -> None:
    assert rename_text(before, after) == f"changed title from {told}"

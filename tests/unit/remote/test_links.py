from __future__ import annotations

import pytest
from yarl import URL

from shared.remote.errors import AnswerMalformed
from shared.remote.links import next_page

API = URL("https://api.github.com")


@pytest.mark.parametrize(
    ("link", "cursor"),
    [
        ("", None),
        ('<https://api.github.com/repos/1?after=Y%3D%3D>; rel="next"', "/repos/1?after=Y%3D%3D"),
        ("<https://api.github.com/x>; rel=next", "/x"),
        ('<https://api.github.com:443/x>; rel="next"', "/x"),
        ('<https://api.github.com/a>; rel="first", <https://api.github.com/b,c;d>; rel="next"', "/b,c;d"),
        ('<https://api.github.com/b>; title="x"; rel="next", <https://api.github.com/a>; rel="prev"', "/b"),
        ('<https://api.github.com/a>; rel="prev", <https://api.github.com/b>; rel="last"', None),
        ('<https://api.github.com/a>; rel="nextone"', None),
        ("</relative?x>; rel=next", "/relative?x"),
        ('<https://api.github.com/a>; title="a, b"; rel="next"', "/a"),
        ("<https://api.github.com/a>" + ";" * 8000, None),
        ("<" * 8000, None),
        ("<a>; rel=" * 800, None),
    ],
)  # fmt: skip
def test_the_next_page_is_the_one_that_the_link_header_names(link: str, cursor: str | None) -> None:
    assert next_page({"Link": link}, API) == cursor


@pytest.mark.parametrize(
    "url",
    [
        "https://api.github.com.evil.test/x",
        "http://api.github.com/x",
        "https://api.github.com:8443/x",
        "https://user@api.github.com/x",
        "//evil.test/x",
        "https://[x/",
        "https://[]@/x",
        "https://api.github.com/x?after=\udc80",
        "https://api.github.com/x\u00e9",
        "https://api.github.com/a b",
        "file:///etc/passwd",
    ],
)
def test_a_next_page_of_another_origin_is_refused(url: str) -> None:
    with pytest.raises(AnswerMalformed):
        next_page({"Link": f'<{url}>; rel="next"'}, API)

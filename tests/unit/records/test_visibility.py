from __future__ import annotations

import pytest

from shared.gitlab.visibility import Visibility
from shared.records.visibility import SnippetsFrom, is_not_confidential


@pytest.mark.parametrize("mark", [b"false", b"null"])
def test_an_issue_that_is_not_marked_is_not_confidential(mark: bytes) -> None:
    assert is_not_confidential(b'{"iid":1,"confidential":%s}' % mark)
    assert is_not_confidential(b'{"iid":1}')


@pytest.mark.parametrize("mark", [b"true", b"1", b"0", b'"false"', b'"t"', b"{}", b"[]"])
def test_an_issue_with_any_other_mark_is_confidential(mark: bytes) -> None:
    assert not is_not_confidential(b'{"iid":1,"confidential": %s}' % mark)
    assert not is_not_confidential(b'{"c\\u006fnfidential":%s}' % mark)


@pytest.mark.parametrize(
    ("level", "lowest"),
    [(b"20", Visibility.PUBLIC), (b"10", Visibility.INTERNAL), (b"0", Visibility.PRIVATE)]
    + [(other, Visibility.PRIVATE) for other in (b"null", b"99", b'"20"', b"true", b"15", b"{}")],
)
def test_a_snippet_is_as_visible_as_its_level_says(level: bytes, lowest: Visibility) -> None:
    line = b'{"visibility_level":%s}' % level
    assert [each for each in Visibility if SnippetsFrom(each)(line)] == [
        each for each in Visibility if each <= lowest
    ]


def test_a_snippet_without_a_level_is_private() -> None:
    assert not SnippetsFrom(Visibility.INTERNAL)(b"{}")

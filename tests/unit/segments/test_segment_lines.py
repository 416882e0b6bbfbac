import pytest

from shared.segments.lines import lines, locate


@pytest.mark.parametrize(("line", "segment"), [(0, 0), (9, 0), (10, 1), (11, 2), (99, 2)])
def test_a_line_is_in_the_last_segment_that_begins_at_or_before_it(line: int, segment: int) -> None:
    assert locate([0, 10, 11], line) == segment


def test_lines_are_kept_byte_for_byte() -> None:
    assert lines(b"a\r\nb\rc\x0b\n\nlast") == [b"a\r\n", b"b\rc\x0b\n", b"\n", b"last"]
    assert lines(b"") == []

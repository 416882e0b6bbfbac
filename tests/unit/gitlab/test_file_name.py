from __future__ import annotations

from datetime import UTC, datetime

import pytest

from shared.gitlab.file_name import file_name

NOW = datetime(2026, 1, 2, 3, 4, 5, 6_789, tzinfo=UTC)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("a/b", "2026-01-02_03-04-006_a_b_export.tar.gz"),
        ("group/sub/p", "2026-01-02_03-04-006_group_sub_p_export.tar.gz"),
        ("g/" + "x" * 80, "2026-01-02_03-04-006_g_" + "x" * 28 + "_export.tar.gz"),
    ],
)
def test_a_name_is_date_time_and_path_in_51_characters(path: str, expected: str) -> None:
    assert file_name(path, NOW) == expected
    assert len(expected) <= 51 + len("_export.tar.gz")

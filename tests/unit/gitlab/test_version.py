from __future__ import annotations

import pytest

from shared.gitlab.version import VersionFile, VersionMismatch


def _check(data: bytes, *, cut: int = 1000) -> None:
    version = VersionFile()
    for start in range(0, len(data), cut):
        version.feed(data[start : start + cut])
    version.close()


@pytest.mark.parametrize("cut", [1, 7, 1000])
@pytest.mark.parametrize(
    "text",
    [
        b"0.2.4",
        b"0.2.4\n",
        b"0.2.4\r\n",
        b"v0.2.4-x",
        b"0.2.4\n0.2.3",
        b"GitLab 0.2.4 (was 0.2.3)",
        b"0.2.4 " * 9999,
    ],
)
def test_the_first_number_of_the_first_line_counts(text: bytes, cut: int) -> None:
    _check(text, cut=cut)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (b"0.2.3", "0.2.3"),
        (b"0.2.3 0.2.4", "0.2.3"),
        (b"10.2.4", "10.2.4"),
        (b"0.2.40", "0.2.40"),
        (b"", "''"),
        (b"0.2", "'0.2'"),
        (b"\n0.2.4", "''"),
        (b"\xff\x00garbage", r"'\ufffd\x00garbage'".replace(r"\ufffd", "\ufffd")),
    ],
)
def test_another_version_is_refused_and_named(text: bytes, found: str) -> None:
    with pytest.raises(VersionMismatch) as raised:
        _check(text)
    assert str(raised.value) == f"Import version mismatch: Required 0.2.4 but was {found}"


def test_128_characters_of_the_line_are_looked_at() -> None:
    _check(b" " * 123 + b"0.2.4")
    _check("\U0001f680".encode() * 123 + b"0.2.4")
    with pytest.raises(VersionMismatch):
        _check(b" " * 124 + b"0.2.4")
    with pytest.raises(VersionMismatch):
        _check("\U0001f680".encode() * 124 + b"0.2.4")


def test_a_version_of_any_size_is_not_held() -> None:
    version = VersionFile()
    for _ in range(1000):
        version.feed(bytes(65536))
    assert len(version._start) <= 512

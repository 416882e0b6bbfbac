"""Tells what a file is that was given in place of an archive, by its first bytes."""

from __future__ import annotations

LOOKED_AT = 512
"""Bytes by which a file is told, where it has so many."""

_PACK = "unpack it, and pack what is in it by: tar -czf project.tar.gz -C FOLDER ."
_COMPRESS = "compress the tar archive in it by gzip instead"
_SIGNATURES = (
    (b"PK\x03\x04", f"a zip file: {_PACK}"),
    (b"PK\x05\x06", "an empty zip file"),
    (b"7z\xbc\xaf\x27\x1c", f"a 7z file: {_PACK}"),
    (b"Rar!\x1a\x07", f"a RAR file: {_PACK}"),
    (b"\x28\xb5\x2f\xfd", f"compressed by zstd: {_COMPRESS}"),
    (b"\xfd7zXZ\x00", f"compressed by xz: {_COMPRESS}"),
    (b"BZh", f"compressed by bzip2: {_COMPRESS}"),
    (b"\x04\x22\x4d\x18", f"compressed by lz4: {_COMPRESS}"),
    (b"\x1f\x9d", f"compressed by compress: {_COMPRESS}"),
    (b"\x1f\x8b", "gzip in gzip: decompress it once"),
    (b"# v2 git bundle", "a git bundle: that is the repository of a project alone, not its export"),
    (b"# v3 git bundle", "a git bundle: that is the repository of a project alone, not its export"),
)
_TAR = slice(257, 262)
_MARKUP = "an HTML or XML page, such as one to sign in on, or of an error: look whether the download worked"
_JSON = "a JSON document, such as the answer of a server: look whether the download worked"


def describe(begin: bytes) -> str | None:
    """Say what a file that begins so is, and what to do; None for what is not known."""
    begin = begin[:LOOKED_AT]
    for signature, description in _SIGNATURES:
        if begin.startswith(signature):
            return description
    if begin[_TAR] == b"ustar":
        return "a tar archive that is not compressed: compress it by gzip"
    text = begin.removeprefix(b"\xef\xbb\xbf").lstrip()
    if text.startswith((b"<!", b"<html", b"<HTML", b"<?xml", b"<head")):
        return _MARKUP
    return _JSON if text.startswith((b"{", b"[")) else None

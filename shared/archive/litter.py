"""What macOS leaves in archives: told by names and bytes together, as users have files of such names too."""

from __future__ import annotations

MAGIC_LENGTH = 8
"""Bytes of a file by which it is judged; less of one that is shorter."""

_APPLE_DOUBLE = b"\x00\x05\x16\x07"
_FOLDER_SETTINGS = b"\x00\x00\x00\x01Bud1"
_DOUBLE = "._"
_SETTINGS = ".DS_Store"
_OF_ZIP = "__MACOSX/"


def may_be_litter(name: str) -> bool:
    """Tell whether the bytes of a file of that name have to be looked at."""
    # A fast test first: few names have either anywhere.
    if _DOUBLE not in name and _SETTINGS not in name:
        return False
    last = name.rpartition("/")[2]
    return last.startswith(_DOUBLE) or last == _SETTINGS


def is_folder_settings(name: str, begin: bytes) -> bool:
    """Tell whether a file that begins so is what Finder notes of a folder."""
    return name.rpartition("/")[2] == _SETTINGS and begin.startswith(_FOLDER_SETTINGS)


def is_apple_double(name: str, begin: bytes) -> bool:
    """Tell whether a file that begins so has the attributes of another one (RFC 1740, appendix B)."""
    return name.rpartition("/")[2].startswith(_DOUBLE) and begin.startswith(_APPLE_DOUBLE)


def sibling_of(double: str) -> str:
    """Give the name of the file or directory whose attributes an AppleDouble has; "" is the root."""
    folder, _, last = double.removeprefix(_OF_ZIP).rpartition("/")
    last = last.removeprefix(_DOUBLE)
    if last == ".":
        return folder
    return f"{folder}/{last}" if folder else last


def doubles_of(name: str) -> tuple[str, ...]:
    """Give the names that an AppleDouble of that file or directory may have."""
    folder, slash, last = name.rpartition("/")
    double = f"{folder}{slash}{_DOUBLE}{last}"
    return (double, f"{_OF_ZIP}{double}", f"{name}/{_DOUBLE}.")

"""The references that a copy of a repository takes, held as the header of its bundle and as ids to fetch."""

from __future__ import annotations

import re
from collections.abc import Iterator

from shared.git.errors import ProtocolBroken, TooManyRemoteReferences
from shared.git.protocol import RemoteReference

MOST_REFERENCES = 250_000
LONGEST_HEADER = 32 * 1024 * 1024
"""References, and bytes of their lines in a bundle, that are held at once: with the ids at most 60 MiB."""

MOST_LISTED = 5_000_000
"""References that are listed, whether they are taken or not."""

_HEAD = b"HEAD"
_TAKEN = (b"refs/heads/", b"refs/tags/")
_PULLS = b"refs/pull/"
_PULL = re.compile(rb"refs/pull/([0-9]{1,18})/head")
_BRANCH = re.compile(
    rb"(?!.*(?:\.\.|//|/\.|@\{|\.lock(?:/|$)))[^\x00-\x20\x7f~^:?*\[\\./][^\x00-\x20\x7f~^:?*\[\\]{0,999}"
)
"""What git takes for the name of a branch or a tag, but for some that nobody has."""


_TWICE = "it lists a reference twice"


class ReferenceSelection:
    """Takes HEAD, branches and tags; with ``pulls`` GitHub's pull requests too, by the names of GitLab's.

    The branch of HEAD comes first, behind HEAD itself: who clones takes the first branch with its commit.
    ``refused`` counts branches and tags with names that git does not take, and that it leaves out as well.
    """

    def __init__(self, *, pulls: bool = False) -> None:
        self._pulls = pulls
        self._wants: set[bytes] = set()
        self.refused = 0
        self._listed = 0
        self._count = 0
        self._head = b""
        self._target: bytes | None = None
        self._default = b""
        self._lines = bytearray()
        self._names: set[int] = set()  # hashes of all names, where branches may be made

    @property
    def prefixes(self) -> tuple[bytes, ...]:
        """What the names of the references begin with."""
        return (_HEAD, *_TAKEN, *([_PULLS] if self._pulls else []))

    @property
    def is_empty(self) -> bool:
        """Whether none was taken, as in a repository without a commit."""
        return not self._count

    def wants(self) -> Iterator[bytes]:
        """Give the ids of the objects to fetch, in hex, each once."""
        return (each.hex().encode() for each in self._wants)

    def add(self, reference: RemoteReference) -> None:
        """Take a reference, or leave it out. Raises TooManyRemoteReferences and ProtocolBroken."""
        self._listed += 1
        if self._listed > MOST_LISTED:
            raise TooManyRemoteReferences(f"{MOST_LISTED} that it lists")
        name = self._name_of(reference.name)
        if name is None:
            return
        line = b"%b %b\n" % (reference.object_id, name)
        if (name == _HEAD and self._head) or (name == self._target and self._default):
            raise ProtocolBroken(_TWICE)
        if name == _HEAD:
            self._head, self._target = line, reference.target
        elif name == self._target:
            self._default = line
        else:
            self._lines += line
        self._wants.add(bytes.fromhex(reference.object_id.decode()))
        self._count += 1
        if self._pulls:
            self._names.add(hash(name))
        self._check()

    def make_branch(self, name: str, object_id: str) -> bool:
        """Make a branch of a commit that is taken anyway, where none has its name; tell whether it is made.

        Raises TooManyRemoteReferences.
        """
        full = b"refs/heads/" + name.encode()
        if hash(full) in self._names:
            return False
        try:
            is_taken = bytes.fromhex(object_id) in self._wants
        except ValueError:
            is_taken = False
        if not is_taken or not _is_name(name.encode()):
            return False
        self.add(RemoteReference(full, object_id.lower().encode()))
        return True

    def check(self) -> None:
        """Raise ProtocolBroken where no repository can have all of these references, so that no clone works.

        Memory: 100 bytes for each, while it looks.
        """
        lines = (self._default + self._lines).splitlines()
        names = {line.partition(b" ")[2] for line in lines}
        if len(names) < len(lines):
            raise ProtocolBroken(_TWICE)
        if any(above in names for name in names for above in _folders_of(name)):
            raise ProtocolBroken("a reference in it is the folder of another one")

    def header(self, object_format: str) -> bytes:
        """Make the header of the bundle (gitformat-bundle(5)), in version 3 where its hash is not SHA-1."""
        signature = b"# v2 git bundle\n"
        if object_format != "sha1":
            signature = f"# v3 git bundle\n@object-format={object_format}\n".encode()
        return b"".join((signature, self._head, self._default, self._lines, b"\n"))

    def _name_of(self, name: bytes) -> bytes | None:
        """Give the name in the copy; None for a reference that is not taken."""
        if name == _HEAD:
            return name
        if name.startswith(_TAKEN):
            is_name = _is_name(name.split(b"/", 2)[2])
            self.refused += not is_name
            return name if is_name else None
        pull = _PULL.fullmatch(name) if self._pulls else None
        return b"refs/merge-requests/%b/head" % pull[1] if pull else None

    def _check(self) -> None:
        if self._count > MOST_REFERENCES:
            raise TooManyRemoteReferences(str(MOST_REFERENCES))
        if len(self._lines) > LONGEST_HEADER:
            raise TooManyRemoteReferences(f"{LONGEST_HEADER // 1024 // 1024} MiB of names hold")


def _is_name(name: bytes) -> bool:
    return bool(_BRANCH.fullmatch(name)) and not name.endswith((b"/", b"."))


def _folders_of(name: bytes) -> Iterator[bytes]:
    at = name.rfind(b"/")
    while at > 0:
        yield name[:at]
        at = name.rfind(b"/", 0, at)

import hashlib
import os
import subprocess
from pathlib import Path

import pytest

from shared.git.bundle import BundleVerifier, IncompleteBundle
from shared.git.bundle_header import LINE_LIMIT, InvalidBundle
from tests.support.prerequisites import program

OID = b"5" * 40


def pack(*, version: int = 2, body: bytes = b"objects", algorithm: str = "sha1") -> bytes:
    content = b"PACK" + version.to_bytes(4, "big") + (1).to_bytes(4, "big") + body
    return content + hashlib.new(algorithm, content).digest()


def bundle(*lines: bytes, signature: bytes = b"# v2 git bundle", packed: bytes | None = None) -> bytes:
    return b"\n".join([signature, *lines, b"", b""]) + (pack() if packed is None else packed)


def verified(data: bytes, *, cut: int = 65536) -> BundleVerifier:
    verifier = BundleVerifier("project.bundle")
    for at in range(0, len(data), cut):
        verifier.feed(data[at : at + cut])
    verifier.close()
    return verifier


def git(folder: Path, *arguments: str) -> str:
    environment = {
        **os.environ,
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_SYSTEM": os.devnull,
        "GIT_AUTHOR_NAME": "a",
        "GIT_AUTHOR_EMAIL": "a@example.com",
        "GIT_COMMITTER_NAME": "a",
        "GIT_COMMITTER_EMAIL": "a@example.com",
    }
    done = subprocess.run(
        [program("git"), *arguments], cwd=folder, env=environment, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def made_by_git(folder: Path, *, object_format: str, version: int) -> tuple[bytes, str]:
    git(folder, "init", "-q", f"--object-format={object_format}", "-b", "main")
    (folder / "file").write_bytes(bytes(range(256)) * 100)
    git(folder, "add", "file")
    git(folder, "commit", "-qm", "first")
    git(folder, "tag", "v1")
    git(folder, "bundle", "create", "-q", f"--version={version}", "out.bundle", "--all")
    return (folder / "out.bundle").read_bytes(), git(folder, "rev-parse", "HEAD")


@pytest.mark.parametrize(("object_format", "version"), [("sha1", 2), ("sha1", 3), ("sha256", 3)])
@pytest.mark.parametrize("cut", [1, 7, 512, 65536])
def test_a_bundle_made_by_git_is_valid(tmp_path: Path, object_format: str, version: int, cut: int) -> None:
    data, head = made_by_git(tmp_path, object_format=object_format, version=version)
    verifier = verified(data, cut=cut)
    assert (verifier.version, verifier.object_format) == (version, object_format)
    assert (verifier.references, verifier.head) == (3, head)


@pytest.mark.parametrize("object_format", ["sha1", "sha256"])
def test_a_bundle_cut_off_anywhere_or_with_a_tail_is_refused(tmp_path: Path, object_format: str) -> None:
    data, _ = made_by_git(tmp_path, object_format=object_format, version=3)
    for length in range(len(data)):
        with pytest.raises(InvalidBundle):
            verified(data[:length])
    with pytest.raises(InvalidBundle):
        verified(data + b"\n")


@pytest.mark.parametrize("object_format", ["sha1", "sha256"])
def test_a_flipped_bit_in_the_pack_is_refused(tmp_path: Path, object_format: str) -> None:
    data, _ = made_by_git(tmp_path, object_format=object_format, version=3)
    for at in range(data.index(b"PACK"), len(data)):
        with pytest.raises(InvalidBundle):
            verified(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :], cut=100)


def test_a_bundle_on_top_of_another_names_its_prerequisites(tmp_path: Path) -> None:
    made_by_git(tmp_path, object_format="sha1", version=2)
    git(tmp_path, "commit", "-q", "--allow-empty", "-m", "second")
    git(tmp_path, "bundle", "create", "-q", "rest.bundle", "v1..main")
    verifier = verified((tmp_path / "rest.bundle").read_bytes())
    assert (verifier.prerequisites, verifier.references, verifier.head) == (1, 1, None)
    with pytest.raises(IncompleteBundle, match="it presupposes commits that are not in it, 1 of them"):
        verifier.check_complete()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\n",
        b"not a bundle",
        b"# v2 git bundle",
        b"# v4 git bundle\n\n" + pack(),
        b"# v2 git bundle\r\n\n" + pack(),
        b"\x1f\x8b" + bytes(100),
    ],
)
@pytest.mark.parametrize("cut", [1, 512])
def test_what_does_not_begin_as_a_bundle_is_refused(data: bytes, cut: int) -> None:
    with pytest.raises(InvalidBundle, match=r"^Invalid bundle file \(project.bundle: "):
        verified(data, cut=cut)


@pytest.mark.parametrize(
    "lines",
    [
        [OID],
        [OID + b" "],
        [OID + b"main"],
        [OID[1:] + b" refs/heads/main"],
        [OID + b"5 refs/heads/main"],
        [b"g" * 40 + b" refs/heads/main"],
        [b"refs/heads/main"],
        [b"-"],
        [b"@object-format=sha1", OID + b" refs/heads/main"],
    ],
)
def test_a_header_that_git_does_not_recognize_is_refused(lines: list[bytes]) -> None:
    with pytest.raises(InvalidBundle, match="unrecognized header"):
        verified(bundle(*lines))


@pytest.mark.parametrize("line", [b"@object-format=sha512", b"@filter=", b"@new", b"@"])
def test_an_unknown_capability_is_refused(line: bytes) -> None:
    with pytest.raises(InvalidBundle, match="unknown capability"):
        verified(bundle(line, signature=b"# v3 git bundle"))


@pytest.mark.parametrize(
    "lines", [[], [OID + b" HEAD"], [b"-" + OID], [b"-" + OID + b" words"], [OID + b" a\r"]]
)
def test_headers_that_git_takes_are_taken(lines: list[bytes]) -> None:
    verified(bundle(*lines))
    verified(bundle(b"@filter=blob:none", *lines, signature=b"# v3 git bundle"))


def test_the_object_format_decides_the_length_of_ids_and_checksum() -> None:
    lines = [b"@object-format=sha256", b"6" * 64 + b" HEAD"]
    good = bundle(*lines, signature=b"# v3 git bundle", packed=pack(algorithm="sha256"))
    assert verified(good).head == "6" * 64
    with pytest.raises(InvalidBundle):
        verified(bundle(*lines, signature=b"# v3 git bundle", packed=pack(algorithm="sha1")))


@pytest.mark.parametrize(
    "packed",
    [
        b"",
        b"PACK",
        pack().replace(b"PACK", b"KCAP"),
        pack(version=1),
        pack(version=4),
        pack()[:-1],
        hashlib.sha1(b"", usedforsecurity=False).digest(),
    ],
)
def test_what_is_not_a_whole_pack_is_refused(packed: bytes) -> None:
    with pytest.raises(InvalidBundle):
        verified(bundle(OID + b" HEAD", packed=packed), cut=5)


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("length", [0, 1, 19, 20, 21, 100])
def test_packs_of_any_length_are_taken_at_any_cut(version: int, length: int) -> None:
    for cut in range(1, 50):
        verified(bundle(OID + b" HEAD", packed=pack(version=version, body=bytes(length))), cut=cut)


@pytest.mark.parametrize("cut", [4096, 1 << 20])
def test_a_line_of_the_header_is_bounded(cut: int) -> None:
    longest = OID + b" " + b"r" * (LINE_LIMIT - 41)
    verified(bundle(longest), cut=cut)
    with pytest.raises(InvalidBundle, match="too long"):
        verified(bundle(longest + b"r"), cut=cut)


def test_a_header_without_end_is_refused_as_it_streams() -> None:
    verifier = BundleVerifier("project.bundle")
    verifier.feed(b"# v2 git bundle\n" + b"5" * LINE_LIMIT)
    with pytest.raises(InvalidBundle, match="too long"):
        verifier.feed(b"5")


def test_no_line_of_the_file_is_told_at_length() -> None:
    with pytest.raises(InvalidBundle) as raised:
        verified(bundle(b"x" * 5000))
    assert len(str(raised.value)) < 150


def test_a_bundle_with_references_and_no_object_is_incomplete_and_one_with_objects_is_not() -> None:
    nothing = b"PACK" + (2).to_bytes(4, "big") + bytes(4)
    packed = nothing + hashlib.sha1(nothing, usedforsecurity=False).digest()
    with pytest.raises(IncompleteBundle, match="it has references, 1 of them, and no object"):
        verified(bundle(OID + b" HEAD", packed=packed)).check_complete()
    verified(bundle(packed=packed)).check_complete()
    verified(bundle(OID + b" HEAD")).check_complete()


def test_a_bundle_of_a_shallow_clone_is_incomplete(tmp_path: Path) -> None:
    first, shallow = tmp_path / "first", tmp_path / "shallow"
    first.mkdir()
    made_by_git(first, object_format="sha1", version=2)
    git(first, "commit", "-q", "--allow-empty", "-m", "second")
    git(tmp_path, "clone", "-q", "--depth=1", f"file://{first}", str(shallow))
    git(shallow, "bundle", "create", "-q", "out.bundle", "--all")
    verifier = verified((shallow / "out.bundle").read_bytes())
    with pytest.raises(
        IncompleteBundle, match="it lacks commits or tags that its references lead to, 1 at least"
    ):
        verifier.check_complete()

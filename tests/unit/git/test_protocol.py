from __future__ import annotations

import pytest

from shared.git import protocol, selection
from shared.git.errors import (
    PackCut,
    ProtocolBroken,
    RepositoryShallow,
    ServerRefused,
    TooManyRemoteReferences,
)
from shared.git.packet_lines import packet
from shared.git.protocol import (
    AdvertisementReader,
    Capabilities,
    PackReader,
    ReferencesReader,
    RemoteReference,
)
from shared.git.selection import ReferenceSelection

ONE, TWO = b"1" * 40, b"2" * 40
MAIN = RemoteReference(b"refs/heads/main", ONE)
SERVED = packet(b"# service=git-upload-pack\n") + b"0000"
MODERN = b"".join(
    packet(line + b"\n")
    for line in (b"version 2", b"agent=git/2.39", b"ls-refs=unborn", b"fetch=shallow", b"object-format=sha1")
)
OLD = packet(
    ONE + b" HEAD\0side-band-64k ofs-delta symref=HEAD:refs/heads/main symref=refs/x:refs/y agent=a\n"
)
CUTS = [1, 5, 100, 65536]


def advertised(data: bytes, cut: int = 65536) -> tuple[Capabilities, list[RemoteReference]]:
    reader = AdvertisementReader()
    found = [each for at in range(0, len(data), cut) for each in reader.feed(data[at : at + cut])]
    return reader.close(), found


def listed(*lines: bytes, end: bytes = b"0000", cut: int = 65536) -> list[RemoteReference]:
    reader, data = ReferencesReader("sha1"), b"".join(packet(line + b"\n") for line in lines) + end
    found = [each for at in range(0, len(data), cut) for each in reader.feed(data[at : at + cut])]
    reader.close()
    return found


def packed(data: bytes, cut: int = 65536) -> bytes:
    reader = PackReader()
    pieces = [each for at in range(0, len(data), cut) for each in reader.feed(data[at : at + cut])]
    reader.close()
    return b"".join(pieces)


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("served", [b"", SERVED])
def test_version_2_tells_what_the_server_can_do(served: bytes, cut: int) -> None:
    server, found = advertised(served + MODERN + b"0000", cut)
    assert (server.version, server.object_format, found) == (2, "sha1", [])
    assert server.named[b"fetch"] == b"shallow"


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize(("begin", "version"), [(b"", 0), (packet(b"version 1\n"), 1)])
def test_versions_before_tell_the_references_too(begin: bytes, version: int, cut: int) -> None:
    more = (
        packet(ONE + b" refs/heads/main\n")
        + packet(TWO + b" refs/tags/v\n")
        + packet(ONE + b" refs/tags/v^{}")
    )
    server, found = advertised(SERVED + begin + OLD + more + b"0000", cut)
    assert server.version == version
    assert found == [
        RemoteReference(b"HEAD", ONE, b"refs/heads/main"), MAIN, RemoteReference(b"refs/tags/v", TWO)
    ]  # fmt: skip


def test_an_empty_repository_has_no_references_in_any_version() -> None:
    line = packet(b"0" * 40 + b" capabilities^{}\0side-band-64k object-format=sha1\n")
    assert advertised(SERVED + line + b"0000")[1] == []
    assert listed(b"unborn HEAD symref-target:refs/heads/main") == []


@pytest.mark.parametrize("cut", CUTS)
def test_a_list_of_references_has_targets(cut: int) -> None:
    found = listed(
        ONE + b" HEAD symref-target:refs/heads/main",
        ONE + b" refs/heads/main",
        TWO + b" refs/tags/v peeled:" + ONE,
        cut=cut,
    )
    assert found == [
        RemoteReference(b"HEAD", ONE, b"refs/heads/main"), MAIN, RemoteReference(b"refs/tags/v", TWO)
    ]  # fmt: skip


@pytest.mark.parametrize(
    "line",
    [b"", b"x", ONE, ONE + b" ", ONE[1:] + b" HEAD", b"3" * 64 + b" HEAD", ONE + b" a\nb", ONE + b" a\x7fb"],
)
def test_what_is_no_reference_is_refused(line: bytes) -> None:
    with pytest.raises(ProtocolBroken):
        listed(line)
    with pytest.raises(ProtocolBroken):
        advertised(SERVED + packet(line + b"\0side-band-64k\n") + b"0000")


def test_what_is_cut_is_told() -> None:
    for data in (b"", SERVED, SERVED + MODERN, SERVED + OLD):
        with pytest.raises(PackCut):
            advertised(data)
    with pytest.raises(PackCut):
        listed(ONE + b" HEAD", end=b"")
    pack = packet(b"packfile\n") + packet(b"\1PACK")
    for data in (b"", pack[:-1], pack, pack + b"000"):
        with pytest.raises(PackCut):
            packed(data)


def test_what_goes_on_after_its_end_is_refused() -> None:
    for read in (
        lambda: advertised(SERVED + OLD + b"0000" + OLD),
        lambda: listed(ONE + b" HEAD", end=b"00000000"),
        lambda: packed(packet(b"NAK\n") + b"0000" + packet(b"\1x")),
    ):
        with pytest.raises(ProtocolBroken, match="goes on after its end"):
            read()


def test_capabilities_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "_LONGEST_CAPABILITIES", 20)
    with pytest.raises(ProtocolBroken, match="too many capabilities"):
        advertised(SERVED + MODERN)


def test_an_unknown_hash_is_refused() -> None:
    with pytest.raises(ProtocolBroken, match="unknown hash"):
        advertised(packet(b"version 2\n") + packet(b"object-format=sha512\n") + b"0000")


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("head", [b"packfile\n", b"NAK\n"])
def test_a_pack_comes_out_of_its_band_and_what_else_is_told_passes(head: bytes, cut: int) -> None:
    bands = (b"\2Counting objects: 1", b"\1PA", b"\2Counting: 2\rCounting: 3, done.\n", b"\1", b"\1CK")
    data = packet(head) + b"".join(map(packet, bands)) + b"0000"
    assert packed(data, cut) == b"PACK"


@pytest.mark.parametrize("told", [b"\2" + b"x" * 1000, b"\2", b"\1"])
def test_what_is_told_beside_a_pack_is_bounded(monkeypatch: pytest.MonkeyPatch, told: bytes) -> None:
    monkeypatch.setattr(protocol, "MOST_PROGRESS", 10 * (len(told) + 4))
    data = packet(b"packfile\n") + packet(told) * 10
    assert packed(data + packet(b"\1PACK") + b"0000") == b"PACK"
    with pytest.raises(ProtocolBroken, match="without end"):
        packed(data + packet(told))


def test_the_servers_own_errors_are_told_as_a_line() -> None:
    for read in (
        lambda: packed(packet(b"NAK\n") + packet(b"\3fatal: out of\nmemory \x1b[0m")),
        lambda: packed(packet(b"ERR fatal: out of\nmemory \x1b[0m")),
        lambda: listed(b"ERR fatal: out of\nmemory \x1b[0m"),
        lambda: advertised(packet(b"ERR fatal: out of\nmemory \x1b[0m")),
    ):
        with pytest.raises(ServerRefused, match=r"^the git server says: fatal: out of memory \[0m$"):
            read()


def test_a_long_error_is_cut() -> None:
    with pytest.raises(ServerRefused) as raised:
        packed(packet(b"ERR " + b"x" * 60_000))
    assert len(str(raised.value)) < 350


def test_a_shallow_repository_is_refused_wherever_it_is_told() -> None:
    with pytest.raises(RepositoryShallow):
        advertised(SERVED + OLD + packet(b"shallow " + ONE))
    for head in (b"shallow-info\n", b"shallow " + ONE):
        with pytest.raises(RepositoryShallow):
            packed(packet(head))


@pytest.mark.parametrize("data", [packet(b"\4x"), packet(b""), b"0001", b"0002"])
def test_an_unknown_band_is_refused(data: bytes) -> None:
    with pytest.raises(ProtocolBroken, match="unknown band"):
        packed(packet(b"packfile\n") + data)


@pytest.mark.parametrize("head", [packet(b"wanted-refs\n"), packet(b"PACK"), b"0000"])
def test_what_comes_before_a_pack_is_known_or_refused(head: bytes) -> None:
    with pytest.raises(ProtocolBroken, match="before its pack"):
        packed(head)


def test_a_server_without_side_bands_is_refused() -> None:
    with pytest.raises(ProtocolBroken, match="side-band-64k"):
        protocol.fetch(Capabilities(0, "sha1"), [ONE])


def selected(*references: RemoteReference, pulls: bool = False) -> ReferenceSelection:
    chosen = ReferenceSelection(pulls=pulls)
    for each in references:
        chosen.add(each)
    return chosen


def test_head_and_its_branch_come_first_and_others_than_branches_and_tags_not_at_all() -> None:
    chosen = selected(
        RemoteReference(b"HEAD", ONE, b"refs/heads/main"),
        RemoteReference(b"refs/heads/a", TWO), MAIN, RemoteReference(b"refs/tags/v", TWO),
        RemoteReference(b"refs/notes/commits", b"3" * 40), RemoteReference(b"refs/pull/7/head", b"4" * 40),
    )  # fmt: skip
    lines = [ONE + b" HEAD", ONE + b" refs/heads/main", TWO + b" refs/heads/a", TWO + b" refs/tags/v"]
    assert chosen.header("sha1") == b"\n".join([b"# v2 git bundle", *lines, b"", b""])
    assert sorted(chosen.wants()) == [ONE, TWO]


def test_pull_requests_get_gitlabs_names_where_they_are_wanted() -> None:
    chosen = selected(
        RemoteReference(b"refs/pull/7/head", ONE), RemoteReference(b"refs/pull/7/merge", TWO),
        RemoteReference(b"refs/pull/x/head", TWO), pulls=True,
    )  # fmt: skip
    assert chosen.header("sha256") == (
        b"# v3 git bundle\n@object-format=sha256\n" + ONE + b" refs/merge-requests/7/head\n\n"
    )
    assert b"refs/pull/" in chosen.prefixes


def test_a_branch_is_made_of_a_commit_that_comes_where_none_has_its_name() -> None:
    chosen = selected(MAIN, RemoteReference(b"refs/pull/7/head", TWO), pulls=True)
    assert chosen.make_branch("github/fork/ann/patch-1", TWO.decode())
    assert chosen.header("sha1").endswith(b"\n" + TWO + b" refs/heads/github/fork/ann/patch-1\n\n")
    assert not chosen.make_branch("github/fork/ann/patch-1", TWO.decode())
    assert not chosen.make_branch("main", TWO.decode())
    assert not chosen.make_branch("other", "3" * 40)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "a b",
        "a\nb",
        "a..b",
        "a//b",
        "/a",
        "a/",
        "a.",
        ".a",
        "a/.b",
        "a.lock",
        "a~1",
        "a^",
        "a:b",
        "a*",
        "x" * 1001,
    ],
)
def test_no_branch_is_made_of_a_name_that_git_refuses(name: str) -> None:
    chosen = selected(MAIN, pulls=True)
    assert not chosen.make_branch(name, ONE.decode())
    assert not chosen.make_branch("good", "no commit")


def test_references_are_bounded_in_number_and_in_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selection, "MOST_REFERENCES", 2)
    two = [MAIN, RemoteReference(b"refs/heads/a", ONE)]
    selected(*two)
    with pytest.raises(TooManyRemoteReferences, match="than 2"):
        selected(*two, RemoteReference(b"refs/heads/b", ONE))
    monkeypatch.setattr(selection, "LONGEST_HEADER", 100)
    with pytest.raises(TooManyRemoteReferences, match="MiB of names"):
        selected(*two)


def test_listed_references_are_bounded_whether_they_are_taken_or_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selection, "MOST_LISTED", 2)
    other = RemoteReference(b"refs/changes/1", ONE)
    selected(other, other)
    with pytest.raises(TooManyRemoteReferences, match="2 that it lists"):
        selected(other, other, other)


@pytest.mark.parametrize(
    "name", [b"a..b", b"a//b", b".a", b"a/", b"../../x", b"a.lock", b"a~1", b"a@{0}", b"x" * 1001, b""]
)
def test_names_that_git_does_not_take_are_left_out_and_counted(name: bytes) -> None:
    chosen = selected(MAIN, *(RemoteReference(kind + name, TWO) for kind in (b"refs/heads/", b"refs/tags/")))
    assert chosen.refused == 2
    assert list(chosen.wants()) == [ONE]
    assert name not in chosen.header("sha1") or not name


@pytest.mark.parametrize(
    "names",
    [
        [b"refs/heads/a", b"refs/heads/a"],
        [b"refs/heads/main", b"refs/heads/main"],
        [b"refs/heads/a", b"refs/heads/a-b", b"refs/heads/a/b/c"],
        [b"refs/heads/main/x"],
    ],
)
def test_references_that_no_repository_can_have_at_once_are_refused(names: list[bytes]) -> None:
    head = RemoteReference(b"HEAD", ONE, b"refs/heads/main")
    good = (RemoteReference(name, ONE) for name in (b"refs/heads/a-b", b"refs/tags/a", b"refs/tags/main"))
    selected(head, MAIN, *good).check()
    with pytest.raises(ProtocolBroken):
        selected(head, MAIN, *(RemoteReference(name, ONE) for name in names)).check()
    with pytest.raises(ProtocolBroken):
        selected(head, head)

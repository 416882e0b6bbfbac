"""The client of git's smart HTTP against git's own server, and against servers as they should not be."""

from __future__ import annotations

import asyncio
import gzip
import json
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from aiohttp import web

from shared.errors import CrossdockError
from shared.git.errors import (
    NoRepository,
    PackCut,
    RepositoryError,
    RepositoryForbidden,
    RepositoryLimited,
    RepositoryNotFound,
    RepositoryShallow,
    RepositoryUnauthenticated,
)
from shared.git.packet_lines import packet
from shared.git.selection import ReferenceSelection
from shared.git.smart_http import RemoteRepository
from shared.remote.errors import BlockedUrl, RedirectRefused, StatusFailing, Unreachable
from tests.support.git import add_references, git, make_repository, references
from tests.support.git_http import GitHttp
from tests.support.remote import SECRET, Handler, Servers, client_of

ADVERTISEMENT = "application/x-git-upload-pack-advertisement"
RESULT = "application/x-git-upload-pack-result"


@pytest.fixture
async def servers() -> AsyncIterator[Servers]:
    async with AsyncExitStack() as stack:
        yield Servers(stack)


class Received:
    """The bundle of a repository, and what was counted on the way."""

    def __init__(self) -> None:
        self.selection = ReferenceSelection()
        self.counted = 0
        self.bundle = b""

    def count(self, received: int) -> None:
        self.counted += received


async def received(url: str) -> Received:
    """Take the whole repository."""
    got = Received()
    remote = RemoteRepository(client_of(), url, count=got.count)
    server = await remote.find(got.selection)
    if not got.selection.is_empty:
        pack = [piece async for piece in remote.pack(got.selection)]
        got.bundle = got.selection.header(server.object_format) + b"".join(pack)
    return got


async def test_what_git_serves_becomes_a_bundle_that_git_clones(tmp_path: Path, servers: Servers) -> None:
    for object_format in ("sha1", "sha256"):
        source = make_repository(tmp_path / object_format, object_format=object_format)
        for version in (2, 1, 0):
            served = GitHttp(source.parent, version=version)
            got = await received(f"http://files.test:{await servers.http(served.handle)}/one.git")
            assert len(served.asked) == (3 if version == 2 else 2)
            (tmp_path / "b.bundle").write_bytes(got.bundle)
            copy = tmp_path / f"{object_format}-{version}.git"
            # Where all is well: verified against an empty repository, cloned whole, and its objects checked.
            git(tmp_path, "init", "-q", "--bare", f"--object-format={object_format}", f"{copy}.empty")
            git(Path(f"{copy}.empty"), "bundle", "verify", "-q", str(tmp_path / "b.bundle"))
            git(tmp_path, "clone", "-q", "--mirror", "b.bundle", str(copy))
            git(copy, "fsck", "--strict")
            assert references(copy) == references(source)
            assert git(copy, "symbolic-ref", "HEAD") == "refs/heads/main"
            assert got.counted > len(got.bundle) - 1000


async def test_an_empty_repository_has_no_bundle(tmp_path: Path, servers: Servers) -> None:
    git(tmp_path, "init", "-q", "--bare", "empty.git")
    for version in (2, 1, 0):
        port = await servers.http(GitHttp(tmp_path, version=version).handle)
        assert (await received(f"http://files.test:{port}/empty.git")).selection.is_empty


async def test_a_hundred_thousand_references_pass(tmp_path: Path, servers: Servers) -> None:
    source = make_repository(tmp_path)
    add_references(source, 100_000)
    got = await received(f"http://files.test:{await servers.http(GitHttp(tmp_path).handle)}/one.git")
    header, _, _ = got.bundle.partition(b"\n\n")
    assert header.count(b"\n") == len(references(source)) > 100_000
    assert len(list(got.selection.wants())) < 10


async def test_a_shallow_repository_is_refused_in_each_version(tmp_path: Path, servers: Servers) -> None:
    source = make_repository(tmp_path)
    git(tmp_path, "clone", "-q", "--bare", "--depth=1", f"file://{source}", "shallow.git")
    for version in (2, 1, 0):
        port = await servers.http(GitHttp(tmp_path, version=version).handle)
        with pytest.raises(RepositoryShallow):
            await received(f"http://files.test:{port}/shallow.git")


async def test_credentials_go_by_header_to_their_origin_and_into_no_message(
    tmp_path: Path, servers: Servers
) -> None:
    make_repository(tmp_path)
    served = GitHttp(tmp_path, token=SECRET)
    port = await servers.http(served.handle)
    await received(f"http://git:{SECRET}@files.test:{port}/one.git")
    assert {path for _, path, _ in served.asked} == {"/one.git/info/refs", "/one.git/git-upload-pack"}
    with pytest.raises(
        RepositoryUnauthenticated, match=r"^the git server wants credentials, .*Access denied"
    ):
        await received(f"http://files.test:{port}/one.git")
    with pytest.raises(
        RepositoryUnauthenticated, match=r"^the git server refuses the credentials: "
    ) as raised:
        await received(f"http://git:wrong-{SECRET}@files.test:{port}/one.git")
    assert SECRET not in str(raised.value)


async def test_a_repository_that_is_not_there_is_told(tmp_path: Path, servers: Servers) -> None:
    port = await servers.http(GitHttp(tmp_path).handle)
    with pytest.raises(RepositoryNotFound):
        await received(f"http://files.test:{port}/none.git")


def answering(status: int, text: str, **headers: str) -> Handler:
    async def handler(_: web.Request) -> web.Response:
        return web.Response(status=status, text=text, headers=headers)

    return handler


@pytest.mark.parametrize(
    ("status", "text", "headers", "error", "told"),
    [
        (401, "Invalid token.", {}, RepositoryUnauthenticated, "as private ones are hidden: Invalid token."),
        (403, "Not granted.\nmore", {}, RepositoryForbidden, "code of the repository: Not granted."),
        (403, "slow down", {"Retry-After": "30"}, RepositoryLimited, "for 30 s: slow down"),
        (403, "slow down", {"X-RateLimit-Remaining": "0"}, RepositoryLimited, "for now: slow down"),
        (404, "Repository not found.", {}, RepositoryNotFound, "may not see it: Repository not found."),
        (410, "", {}, RepositoryNotFound, "may not see it"),
        (429, json.dumps({"message": "API rate limit"}), {}, RepositoryLimited, "for now: API rate limit"),
        (429, "", {"Retry-After": "Fri, 1 Jan 2027"}, RepositoryLimited, "for now"),
        (429, '{"message": 1}', {"Retry-After": "7"}, RepositoryLimited, "for 7 s"),
        (503, "<html>maintenance</html>", {}, StatusFailing, "answered 503 Service Unavailable"),
    ],
)  # fmt: skip
async def test_refusals_are_told_in_words(
    servers: Servers, status: int, text: str, headers: dict[str, str], error: type[CrossdockError], told: str
) -> None:
    port = await servers.http(answering(status, text, **headers))
    with pytest.raises(error) as raised:
        await received(f"http://files.test:{port}/one.git")
    assert str(raised.value).endswith(told)


async def test_a_page_or_a_dumb_server_is_no_repository(servers: Servers) -> None:
    port = await servers.http(answering(200, "<html>"))
    with pytest.raises(NoRepository, match="of type text/plain"):
        await received(f"http://files.test:{port}/one.git")


async def test_a_moved_repository_is_found_and_another_host_gets_no_credentials(
    tmp_path: Path, servers: Servers
) -> None:
    make_repository(tmp_path)
    served, seen = GitHttp(tmp_path), []

    async def watched(request: web.Request) -> web.StreamResponse:
        seen.append(request.headers.get("Authorization"))
        return await served.handle(request)

    port = await servers.http(watched)

    async def moved(request: web.Request) -> web.Response:
        return web.Response(
            status=301, headers={"Location": f"http://other.test:{port}/one.git{rest(request)}"}
        )

    got = await received(f"http://git:{SECRET}@files.test:{await servers.http(moved)}/old.git")
    assert got.bundle
    assert seen == [None] * 3


async def test_within_a_host_a_redirect_keeps_the_credentials(tmp_path: Path, servers: Servers) -> None:
    make_repository(tmp_path)
    served = GitHttp(tmp_path, token=SECRET)

    async def handler(request: web.Request) -> web.StreamResponse:
        if request.path.startswith("/one/"):
            return web.Response(status=302, headers={"Location": f"/one.git{rest(request)}"})
        return await served.handle(request)

    got = await received(f"http://git:{SECRET}@files.test:{await servers.http(handler)}/one/")
    assert got.bundle


def rest(request: web.Request) -> str:
    return f"/info/refs?{request.query_string}"


@pytest.mark.parametrize(
    ("location", "error"),
    [("http://127.0.0.3/one.git/info/refs", BlockedUrl), ("/login?next=/info/refs", RedirectRefused)],
)
async def test_a_redirect_is_checked_and_leads_to_a_repository(
    servers: Servers, location: str, error: type[CrossdockError]
) -> None:
    async def handler(request: web.Request) -> web.Response:
        if request.path.endswith("/info/refs"):
            return web.Response(status=302, headers={"Location": location})
        return web.Response(body=b"0000", headers={"Content-Type": ADVERTISEMENT})

    with pytest.raises(error):
        await received(f"http://files.test:{await servers.http(handler)}/one.git")


async def test_a_redirect_of_the_request_for_the_pack_is_refused(tmp_path: Path, servers: Servers) -> None:
    make_repository(tmp_path)
    served = GitHttp(tmp_path)

    async def handler(request: web.Request) -> web.StreamResponse:
        if request.method == "POST":
            return web.Response(status=307, headers={"Location": "http://other.test/"})
        return await served.handle(request)

    with pytest.raises(RedirectRefused):
        await received(f"http://files.test:{await servers.http(handler)}/one.git")


def _serving(pack: bytes, *, length: int | None = None) -> Handler:
    """A server of version 0 that gives one reference, and this answer for its pack."""
    line = b"1" * 40 + b" HEAD\0side-band-64k ofs-delta\n"

    async def handler(request: web.Request) -> web.StreamResponse:
        if request.method == "GET":
            body = packet(b"# service=git-upload-pack\n") + b"0000" + packet(line) + b"0000"
            return web.Response(body=body, headers={"Content-Type": ADVERTISEMENT})
        response = web.StreamResponse(headers={"Content-Type": RESULT})
        response.content_length = len(pack) if length is None else length
        await response.prepare(request)
        await response.write(pack)
        return response

    return handler


@pytest.mark.parametrize(("length", "error"), [(None, PackCut), (10_000, Unreachable)])
async def test_a_pack_that_is_cut_is_tried_again(
    servers: Servers, length: int | None, error: type[CrossdockError]
) -> None:
    port = await servers.http(_serving(packet(b"NAK\n") + packet(b"\1PACK"), length=length))
    with pytest.raises(error) as raised:
        await received(f"http://files.test:{port}/one.git")
    assert raised.value.retryable


async def test_an_address_is_checked_without_its_references_being_read(servers: Servers) -> None:
    line = packet(b"1" * 40 + b" HEAD\0side-band-64k\n")
    ended = asyncio.Event()

    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": ADVERTISEMENT})
        await response.prepare(request)
        await response.write(packet(b"# service=git-upload-pack\n") + b"0000" + line)
        await ended.wait()
        return response

    port = await servers.http(handler)
    remote = RemoteRepository(client_of(), f"http://files.test:{port}/one.git", count=lambda _: None)
    await remote.check()
    ended.set()
    with pytest.raises(RepositoryError):
        await received(f"http://files.test:{await servers.http(answering(404, ''))}/one.git")


def test_user_and_password_may_be_escaped() -> None:
    remote = RemoteRepository(client_of(), "https://a%40b:p%2Fw@files.test/x/y.git/?q=1#f", count=print)
    assert remote.base == "https://files.test/x/y.git"
    assert remote.secrets == {"Authorization": f"Basic {b64encode(b'a@b:p/w').decode()}"}


BASIC = b64encode(f"git:{SECRET}".encode()).decode()
ECHO = f"no {SECRET}, no {BASIC}, no http://git:{SECRET}@files.test/private-name.git?token=other-{SECRET}"


def echoing(kind: str) -> Handler:
    """A server that repeats what it was sent."""

    async def handler(request: web.Request) -> web.StreamResponse:
        as_packet = packet(f"ERR {ECHO}\n".encode())
        match kind:
            case "page":
                return web.Response(status=403, text=ECHO)
            case "json":
                return web.json_response({"message": ECHO}, status=429)
            case "type":
                return web.Response(body=b"", headers={"Content-Type": f"text/{BASIC}; charset={SECRET}"})
            case "location":
                there = f"ftp://git:{SECRET}@files.test/x/info/refs?token={SECRET}"
                return web.Response(status=302, headers={"Location": there})
            case "advertisement":
                return web.Response(body=as_packet, headers={"Content-Type": ADVERTISEMENT})
            case _:
                body = packet(b"NAK\n") + packet(b"\3" + ECHO.encode()) if kind == "band" else as_packet
                return await _serving(body)(request)

    return handler


@pytest.mark.parametrize("kind", ["page", "json", "type", "location", "advertisement", "band", "pack"])
async def test_nothing_that_a_server_says_repeats_the_credentials(servers: Servers, kind: str) -> None:
    port = await servers.http(echoing(kind))
    url = f"http://git:{SECRET}@files.test:{port}/private-name.git?token=other-{SECRET}"
    with pytest.raises(CrossdockError) as raised:
        await received(url)
    for secret in (SECRET, BASIC, "private-name"):
        assert secret not in str(raised.value)


@pytest.mark.parametrize("kind", ["advertisement", "page"])
async def test_nor_does_the_check_before_an_import(servers: Servers, kind: str) -> None:
    port = await servers.http(echoing(kind))
    remote = RemoteRepository(
        client_of(), f"http://git:{SECRET}@files.test:{port}/private-name.git", count=lambda _: None
    )
    for asked in (remote.check, remote.wiki().check):
        with pytest.raises(CrossdockError) as raised:
            await asked()
        assert SECRET not in str(raised.value)
        assert BASIC not in str(raised.value)


async def test_lists_are_asked_for_by_gzip_and_large_requests_are_sent_by_it(
    tmp_path: Path, servers: Servers
) -> None:
    source = make_repository(tmp_path, files={f"f{number}": b"%d" % number for number in range(30)})
    for number in range(30):
        git(source, "branch", f"b{number}", f"main~{number}")
    served, seen = GitHttp(tmp_path), []

    async def packing(request: web.Request) -> web.StreamResponse:
        body = await request.read()
        encoding = request.headers.get("Content-Encoding", "")
        seen.append((request.method, request.headers["Accept-Encoding"], encoding))
        answer = await served.body(request)
        if b"command=fetch" in body or encoding:
            return web.Response(body=answer, headers={"Content-Type": RESULT})
        kind = ADVERTISEMENT if request.method == "GET" else RESULT
        headers = {"Content-Type": kind, "Content-Encoding": "gzip"}
        return web.Response(body=gzip.compress(answer), headers=headers)

    got = await received(f"http://files.test:{await servers.http(packing, inflates=False)}/one.git")
    (tmp_path / "b.bundle").write_bytes(got.bundle)
    git(tmp_path, "clone", "-q", "--mirror", "b.bundle", "copy.git")
    assert references(tmp_path / "copy.git") == references(source)
    assert seen == [("GET", "gzip", ""), ("POST", "gzip", ""), ("POST", "identity", "gzip")]

"""The targets of the fuzzers: what takes bytes from outside, each with inputs to begin with."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from shared.git.packet_lines import packet
from tests.fuzz import archives, repositories, requests
from tests.support.archives import entry, header, long_name, pax, pax_record
from tests.support.sparse import FORMATS

_BUNDLE = Path(__file__).parents[1] / "data" / "repository.bundle"

TAR = b"".join(
    [
        header(b"./", kind=b"5"),
        header(b"./tree/", kind=b"5"),
        entry(b"./VERSION", b"0.2.4"),
        pax(pax_record(b"path", b"./tree/" + "é".encode() * 90), pax_record(b"mtime", b"1700000000.5")),
        entry(b"./tree/short", b"pax" * 300),
        long_name(b"./tree/" + b"n" * 200),
        entry(b"./tree/nnn", b"gnu"),
        pax(pax_record(b"comment", b"global"), kind=b"g"),
        entry(b"./._litter", b"AppleDouble"),
        entry(b"name", b"ustar", prefix=b"some/prefix"),
    ]
)
_SPARSE = b"".join(
    make(b"./uploads/%d" % number, [(0, b"begin"), (2000, b"later" * 100)], 5000)
    for number, make in enumerate(FORMATS.values())
)
_DOUBLES = b"".join(
    [
        entry(b"./uploads/._a", b"\0\x05\x16\x07first"),
        entry(b"./uploads/a", b"its sibling"),
        entry(b"./uploads/a", b"the last one counts"),
        entry(b"./uploads/\xff", b"no UTF-8"),
    ]
)
_GZIP_WITH_ALL_FIELDS = b"\x1f\x8b\x08\x1c\0\0\0\0\0\xff\x02\0xxname\0comment\0\x03\0" + bytes(8)
_FORM = (
    b'multipart/form-data; boundary=b\n--b\r\nContent-Disposition: form-data; name="path"\r\n\r\np\r\n'
    b"--b\r\nContent-Disposition: form-data; name=\"file\"; filename*=UTF-8''a.gz\r\n\r\nx\r\n--b--\r\n"
)
_EVENT = (
    b"application/cloudevents+json\n"
    b'{"specversion":"1.0","id":"1","source":"/s","type":"t","datacontenttype":"application/json",'
    b'"data":{"path":"p","project":"a/b","source":{"url":"https://a:b@c/d?e"},"upload":{"url":"https://c"}}}'
)

_ID = b"1" * 40
_SERVICE = packet(b"# service=git-upload-pack\n") + b"0000"
_CAPABLE = packet(_ID + b" HEAD\0side-band-64k symref=HEAD:refs/heads/m\n")
_MAIN = packet(_ID + b" refs/heads/m\n")


@dataclass(frozen=True, slots=True)
class Target:
    """``check`` fails for an input by any error; ``longest`` is how many bytes of it are worth trying."""

    check: Callable[[bytes], None]
    seeds: Sequence[bytes]
    longest: int = 4096


TARGETS = {
    "tar": Target(archives.check_tar, [TAR, TAR + bytes(1024), _SPARSE, _DOUBLES], longest=16384),
    "gzip": Target(
        archives.check_gzip,
        [gzip.compress(b"a" * 1000), gzip.compress(b"a", 0) * 2 + bytes(8), _GZIP_WITH_ALL_FIELDS],
    ),
    "relation": Target(
        archives.check_relation,
        [b'{"title":"t","iid":1,"x":[{"\\u00e9":"\\"["}]}\n\n \r\nnull\n', b"x\n[1]\n\xff\n" + b"y" * 70],
    ),
    "documents": Target(
        archives.check_documents,
        [b"0.2.4\n", b'{"description":"d","visibility_level":20,"x":{}}', b'{"%s":[0,1,null]}' % (b"a" * 64)],
    ),
    "bundle": Target(
        archives.check_bundle,
        [_BUNDLE.read_bytes(), b"# v3 git bundle\n@object-format=sha256\n" + b"a" * 64 + b" HEAD\n\nPACK"],
        longest=16384,
    ),
    "git": Target(
        repositories.check_git,
        [
            _SERVICE + _CAPABLE + _MAIN + b"0000",
            packet(b"version 2\n") + packet(b"ls-refs=unborn\n") + b"0000",
            packet(_ID + b" HEAD symref-target:refs/heads/m\n") + _MAIN + b"0000",
            packet(b"packfile\n") + packet(b"\1PACK") + packet(b"\2done.\n") + b"0000",
            _BUNDLE.read_bytes().partition(b"\n\n")[2],
        ],
    ),
    "form": Target(requests.check_form, [_FORM, _FORM.replace(b"\r\n", b"\n")]),
    "body": Target(
        requests.check_body,
        [b'{"a[b][]":"1","level":30,"day":"2027-01-31"}', b"upload[url]=https://x&a=2027-01-31T12:00:00Z"],
    ),
    "command": Target(requests.check_command, [_EVENT]),
    "range": Target(
        requests.check_range,
        [b'bytes=0-4\n"a1"\n0123456789', b"bytes=-5\nSat, 31 Jan 2026 12:00:00 GMT\n0123456789"],
    ),
    "path": Target(
        requests.check_path, [b"./tree/project/issues.ndjson", b"a/../b", b"My Project", b"AAAAAAAAAAE"]
    ),
    "address": Target(
        requests.check_address,
        [b"10.0.0.2, [2001:db8::1]:80\n::ffff:1.2.3.4", b"https://u:p@[::1]:8443/a/../b?c=d#e", b"//x"],
    ),
}

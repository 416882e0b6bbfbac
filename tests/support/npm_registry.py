"""A registry of npm packages on this machine, with a lock that pins what it has."""

from __future__ import annotations

import json
import tarfile
import threading
from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha512
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path

VERSION = "1.2.3"


@dataclass(slots=True)
class Registry:
    """What is served, by path, and what was asked for."""

    address: str
    served: dict[str, bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def publish(self, name: str, files: Mapping[str, bytes]) -> str:
        """Serve a package; its entry of a lock keeps all its files as they are named."""
        body = _packed(name, files)
        digest = b64encode(sha512(body).digest()).decode()
        path = f"{name}/-/{name.rpartition('/')[2]}-{VERSION}.tgz"
        release = {
            "name": name,
            "version": VERSION,
            "dist": {"tarball": f"{self.address}/{path}", "integrity": f"sha512-{digest}"},
        }
        about = {"name": name, "dist-tags": {"latest": VERSION}, "versions": {VERSION: release}}
        self.served[f"/{path}"] = body
        self.served[f"/{name.replace('/', '%2f')}"] = json.dumps(about).encode()
        kept = "".join(f'"{file}" = "{file}"\n' for file in files)
        words = {"name": name, "version": VERSION, "licence": "MIT", "sha512": digest}
        fields = "".join(f'{key} = "{value}"\n' for key, value in words.items())
        return f"[[package]]\n{fields}\n[package.files]\n{kept}"


def _packed(name: str, files: Mapping[str, bytes]) -> bytes:
    packed = BytesIO()
    manifest = json.dumps({"name": name, "version": VERSION}).encode()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for file, body in {"package.json": manifest, **files}.items():
            member = tarfile.TarInfo(f"package/{file}")
            member.size = len(body)
            archive.addfile(member, BytesIO(body))
    return packed.getvalue()


@contextmanager
def registry() -> Iterator[Registry]:
    """Serve on a port of this machine's until the end."""
    found = Registry("")

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = self.path.partition("?")[0].replace("%2F", "%2f").replace("%40", "@")
            found.asked.append(path)
            body = found.served.get(path)
            self.send_response(404 if body is None else 200)
            self.send_header("Content-Length", str(len(body or b"")))
            self.end_headers()
            self.wfile.write(body or b"")

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        found.address = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield found
        finally:
            server.shutdown()
            thread.join()


def write_lock(folder: Path, *entries: str) -> Path:
    """Write a lock of these packages."""
    lock = folder / "vendor.lock"
    lock.write_text("\n".join(entries))
    return lock

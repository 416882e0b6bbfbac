"""What hatch builds of the checkout: its hook, the files that it fetches, and what happens without them."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.dockerfile import ROOT
from tests.support.npm_registry import Registry, registry, write_lock

CONSOLE = Path("services", "api", "console")
COPIED = (".gitignore", "LICENSE", "README.md", "pyproject.toml", "deploy/build_hook.py")
OFFLINE = "http://127.0.0.1:9"


@pytest.fixture
def served() -> Iterator[Registry]:
    with registry() as found:
        yield found


@pytest.fixture
def checkout(tmp_path: Path, served: Registry) -> Path:
    """What a build reads of the checkout, with the least of packages, and a lock of what is served."""
    folder = tmp_path / "checkout"
    for name in (*COPIED, str(CONSOLE / "vendoring.py")):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    (folder / "shared").mkdir()
    (folder / "shared" / "__init__.py").write_text("")
    write_lock(folder / CONSOLE, served.publish("a", {"a.mjs": b"export {};\n"}))
    return folder


def build(folder: Path, target: str, registry: str, **more: str) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-m", "hatchling", "build", "-t", target, "-d", str(folder / "built")]
    env = {"PATH": "/nonexistent", "npm_config_registry": registry, **more}
    return subprocess.run(words, cwd=folder, env=env, capture_output=True, text=True, check=False)


def in_wheel(folder: Path) -> set[str]:
    (wheel,) = (folder / "built").glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        return {name for name in archive.namelist() if "/vendor/" in name}


def vendored(prefix: str = "") -> set[str]:
    return {f"{prefix}{CONSOLE}/vendor/{name}" for name in ("a.mjs", "vendor.lock")}


def test_a_wheel_has_the_browser_files_though_git_ignores_them(checkout: Path, served: Registry) -> None:
    done = build(checkout, "wheel", served.address)

    assert done.returncode == 0, done.stderr
    assert in_wheel(checkout) == vendored()


def test_a_wheel_is_built_offline_of_the_archive_of_the_sources(
    checkout: Path, served: Registry, tmp_path: Path
) -> None:
    done = build(checkout, "sdist", served.address)
    assert done.returncode == 0, done.stderr
    (packed,) = (checkout / "built").glob("*.tar.gz")
    with tarfile.open(packed) as archive:
        archive.extractall(tmp_path, filter="data")
    (unpacked,) = tmp_path.glob("crossdock-*")

    done = build(unpacked, "wheel", OFFLINE)

    assert done.returncode == 0, done.stderr
    assert in_wheel(unpacked) == vendored()


@pytest.mark.parametrize("target", ["wheel", "sdist"])
def test_nothing_is_built_without_the_browser_files(checkout: Path, target: str) -> None:
    done = build(checkout, target, OFFLINE)

    assert done.returncode == 1
    assert "To build without them, set CROSSDOCK_BUILD_WITHOUT_CONSOLE=yes." in done.stderr
    assert not (checkout / "built").exists() or list((checkout / "built").iterdir()) == []


def test_a_wheel_without_the_browser_files_is_built_where_that_is_asked_for(checkout: Path) -> None:
    done = build(checkout, "wheel", OFFLINE, CROSSDOCK_BUILD_WITHOUT_CONSOLE="yes")

    assert done.returncode == 0, done.stderr
    assert in_wheel(checkout) == set()


def test_an_editable_install_goes_on_without_the_browser_files_and_says_so(checkout: Path) -> None:
    done = build(checkout, "wheel:editable", OFFLINE)

    assert done.returncode == 0, done.stderr
    assert "Crossdock goes on without its web console and its API reference: " in done.stderr


def test_the_image_fetches_them_by_the_lock_and_takes_none_of_the_checkout() -> None:
    rules = (ROOT / "deploy" / "Dockerfile.dockerignore").read_text().splitlines()

    assert f"{CONSOLE}/vendor" in rules

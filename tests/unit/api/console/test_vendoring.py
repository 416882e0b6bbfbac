from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from services.api.console.vendoring import LOCK, UnavailableError, fetch, is_fetched, locked, main
from tests.support.npm_registry import Registry, registry, write_lock
from tests.support.prerequisites import needs

FILES = {"dist/a.mjs": b"export const a = 1;\n", "licenses/a.txt": b"Do what you like.\n"}


@pytest.fixture(scope="module")
def running() -> Iterator[Registry]:
    with registry() as found:
        yield found


@pytest.fixture
def npm(running: Registry, monkeypatch: pytest.MonkeyPatch) -> Registry:
    """The registry, which is asked by Python: no npm is found, and no Python index either."""
    running.served.clear()
    running.asked.clear()
    monkeypatch.setenv("PATH", "/nonexistent")
    monkeypatch.setenv("npm_config_registry", f"{running.address}/")
    monkeypatch.setattr("services.api.console.vendoring._BUILD_LOCK", Path("/nonexistent"))
    return running


def test_the_files_of_the_lock_come_under_the_names_that_it_gives_them(npm: Registry, tmp_path: Path) -> None:
    entry = npm.publish("a", FILES).replace('"dist/a.mjs" =', '"a.mjs" =')
    lock = write_lock(tmp_path, entry, npm.publish("@b/c", {"c.css": b"a {}\n"}))
    folder = tmp_path / "vendor"

    fetch(folder, lock)

    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert found == {"a.mjs", "licenses/a.txt", "c.css", "vendor.lock"}
    assert (folder / "a.mjs").read_bytes() == FILES["dist/a.mjs"]
    assert npm.asked == ["/a/-/a-1.2.3.tgz", "/@b/c/-/c-1.2.3.tgz"]
    assert {path.name for path in tmp_path.iterdir()} == {"vendor", "vendor.lock"}


def test_nothing_is_asked_for_where_the_folder_is_that_of_the_lock(npm: Registry, tmp_path: Path) -> None:
    lock, folder = write_lock(tmp_path, npm.publish("a", FILES)), tmp_path / "vendor"
    fetch(folder, lock)
    npm.asked.clear()

    fetch(folder, lock)

    assert is_fetched(folder, lock)
    assert npm.asked == []


def test_files_of_an_older_lock_go(npm: Registry, tmp_path: Path) -> None:
    folder = tmp_path / "vendor"
    fetch(folder, write_lock(tmp_path, npm.publish("a", FILES)))
    lock = write_lock(tmp_path, npm.publish("b", {"b.mjs": b"export {};\n"}))
    assert not is_fetched(folder, lock)

    fetch(folder, lock)

    assert sorted(path.name for path in folder.iterdir()) == ["b.mjs", "vendor.lock"]


def test_what_is_not_as_its_digest_says_is_not_taken_and_what_was_there_stays(
    npm: Registry, tmp_path: Path
) -> None:
    folder = tmp_path / "vendor"
    fetch(folder, write_lock(tmp_path, npm.publish("a", FILES)))
    lock = write_lock(tmp_path, npm.publish("a", {"dist/a.mjs": b"right"}))
    npm.publish("a", {"dist/a.mjs": b"wrong"})

    with pytest.raises(UnavailableError, match=r"What came as a 1\.2\.3 is not what vendor\.lock pins"):
        fetch(folder, lock)

    assert (folder / "dist" / "a.mjs").read_bytes() == FILES["dist/a.mjs"]
    assert {path.name for path in tmp_path.iterdir()} == {"vendor", "vendor.lock"}


def test_a_package_without_end_is_left_at_its_bound(
    npm: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.api.console.vendoring._LARGEST", 100)
    lock = write_lock(tmp_path, npm.publish("a", FILES))

    with pytest.raises(UnavailableError, match="more than 100 bytes"):
        fetch(tmp_path / "vendor", lock)


@needs("npm")
def test_npm_gives_the_same_where_there_is_one(
    running: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("npm_config_registry", running.address)
    monkeypatch.setenv("npm_config_cache", str(tmp_path / "cache"))
    lock = write_lock(tmp_path, running.publish("a", FILES), running.publish("@b/c", {"c.css": b"a {}\n"}))
    running.asked.clear()

    fetch(tmp_path / "vendor", lock)

    assert (tmp_path / "vendor" / "c.css").read_bytes() == b"a {}\n"
    assert set(running.asked) == {"/a", "/a/-/a-1.2.3.tgz", "/@b%2fc", "/@b/c/-/c-1.2.3.tgz"}


def test_where_nobody_has_them_one_line_says_so(
    npm: Registry, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lock = write_lock(tmp_path, npm.publish("a", FILES))
    npm.served.clear()

    assert main(partial(fetch, tmp_path / "vendor", lock)) == 1

    said = capsys.readouterr().err
    assert said.startswith("Crossdock goes on without its web console and its API reference: ")
    assert said.count("\n") == 1
    assert "HTTP Error 404" in said
    assert [path.name for path in tmp_path.iterdir()] == ["vendor.lock"]


def test_the_lock_has_all_that_the_pages_load_each_package_with_its_licence() -> None:
    packages = locked()
    kept = {name for package in packages for name in package.files}

    assert kept >= {"swagger-ui-bundle.js", "swagger-ui.css", "preact.mjs", "tus.min.js"}
    assert all(package.licences for package in packages)
    assert sum(len(package.files) for package in packages) == len(kept)


def test_the_lock_pins_versions_and_names_no_host() -> None:
    assert all(re.fullmatch(r"\d+\.\d+\.\d+", package.version) for package in locked())
    assert "//" not in LOCK.read_text()

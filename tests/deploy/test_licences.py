from __future__ import annotations

import re

from tests.support.licences import FILE, table
from tests.support.locks import pins

ROW = re.compile(r"^\| (\S+) \| (\S+) \| (.+) \|$", re.MULTILINE)


def test_the_table_is_that_of_the_lock() -> None:
    assert FILE.read_text() == table()


def test_it_has_all_that_this_system_is_given() -> None:
    of_images, _ = table().split("Browsers load these")
    rows = [f"{name}=={version}" for name, version, _ in ROW.findall(of_images)[1:]]
    assert rows == [pin for pin in pins("deploy/runtime.lock") if "colorama" not in pin]  # of Windows


def test_every_package_declares_a_licence_and_none_asks_for_ours_to_change() -> None:
    licences = {name: licence for name, _, licence in ROW.findall(table())}
    assert licences
    assert [name for name, licence in licences.items() if "not declared" in licence] == []
    assert [name for name, licence in licences.items() if re.search(r"\b[AL]?GPL", licence)] == []

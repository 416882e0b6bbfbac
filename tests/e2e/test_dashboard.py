"""The dashboard and the alerts speak of metrics that a running Crossdock exposes, and of all of its own."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from tests.support.monitoring import scraped
from tests.support.prerequisites import needs, program
from tests.support.system import System

FOLDER = Path(__file__).parents[2] / "deploy" / "observability"
needs_promtool = needs("promtool")

_NAME = re.compile(r"\b((?:crossdock|process)_[a-z0-9_]+)")
_SUFFIXES = ("_bucket", "_count", "_sum")


def _panels() -> Iterator[dict[str, Any]]:
    yield from json.loads((FOLDER / "dashboard.json").read_text())["panels"]


def _queries() -> list[str]:
    return [target["expr"] for panel in _panels() for target in panel.get("targets", ())]


def _rules() -> list[dict[str, Any]]:
    [group] = yaml.safe_load((FOLDER / "rules.yaml").read_text())["groups"]
    rules: list[dict[str, Any]] = group["rules"]
    return rules


def _named(expressions: list[str]) -> set[str]:
    return {name for expression in expressions for name in _NAME.findall(expression)}


def _exposed(system: System) -> set[str]:
    """Every name that a query may use, also of series that have no sample yet."""
    names = set()
    for family in scraped(system.monitoring["standalone"]).values():
        if family.type == "counter":
            names.add(f"{family.name}_total")
        elif family.type in ("histogram", "summary"):
            names |= {f"{family.name}{suffix}" for suffix in _SUFFIXES}
        else:
            names.add(family.name)
    return names


def test_every_metric_that_is_asked_for_exists(standalone_system: System) -> None:
    asked = _named(_queries() + [rule["expr"] for rule in _rules()])
    assert len(asked) > 20
    assert asked <= _exposed(standalone_system)


def test_every_metric_of_ours_is_on_the_dashboard(standalone_system: System) -> None:
    def family(name: str) -> str:
        return next((name.removesuffix(suffix) for suffix in _SUFFIXES if name.endswith(suffix)), name)

    ours = {family(name) for name in _exposed(standalone_system) if name.startswith("crossdock_")}
    assert ours == {family(name) for name in _named(_queries()) if name.startswith("crossdock_")}


def test_every_panel_says_what_it_shows_and_has_a_place_of_its_own() -> None:
    cells: set[tuple[int, int]] = set()
    for panel in _panels():
        place = panel["gridPos"]
        covered = {
            (place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])
        }  # fmt: skip
        assert not covered & cells, panel["title"]
        cells |= covered
        assert panel["type"] == "row" or panel["description"]
    identities = [panel["id"] for panel in _panels()]
    assert len(set(identities)) == len(identities)


@needs_promtool
def test_every_query_of_the_dashboard_can_be_read_by_prometheus(tmp_path: Path) -> None:
    queries = [
        query.replace("$__rate_interval", "5m").replace("$job", ".+").replace("$__all", ".+")
        for query in _queries()
    ]
    rules = [{"record": f"query:{number}", "expr": query} for number, query in enumerate(queries)]
    file = tmp_path / "rules.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}))
    assert f"{len(queries)} rules found" in _promtool("check", "rules", str(file))


@needs_promtool
def test_the_alerts_are_rules_that_prometheus_takes() -> None:
    assert f"{len(_rules())} rules found" in _promtool("check", "rules", str(FOLDER / "rules.yaml"))


@needs_promtool
def test_each_alert_fires_when_it_should_and_only_then() -> None:
    tested = (FOLDER / "rules_test.yaml").read_text()
    assert [rule["alert"] for rule in _rules() if rule["alert"] not in tested] == []
    assert "SUCCESS" in _promtool("test", "rules", str(FOLDER / "rules_test.yaml"))


def _promtool(*words: str) -> str:
    done = subprocess.run([program("promtool"), *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout

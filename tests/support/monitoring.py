"""What a process tells on the port of its metrics, and in its log."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any

from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from tests.support.processes import ServerProcess


def scraped(url: str) -> dict[str, Metric]:
    """The families of metrics by name, as Prometheus would read them."""
    with urllib.request.urlopen(f"{url}/metrics", timeout=10) as answer:  # noqa: S310  # our own server
        return {family.name: family for family in text_string_to_metric_families(answer.read().decode())}


def sample(families: dict[str, Metric], name: str, **labels: str) -> float:
    """The sum of the samples of that name which have these labels."""
    return sum(
        each.value
        for family in families.values()
        for each in family.samples
        if each.name == name and labels.items() <= each.labels.items()
    )


def probed(url: str) -> int:
    """The status of a GET, 0 where nobody answers."""
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310  # our own server
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


def log_lines(process: ServerProcess) -> list[dict[str, Any]]:
    """The lines of a JSON log."""
    return [json.loads(line) for line in process.log.read_text().splitlines()]

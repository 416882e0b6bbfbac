from __future__ import annotations

import subprocess
import sys

import pytest
from opentelemetry.sdk.resources import Resource

from services.process.tracing import TracingMissing, open_tracer
from shared.settings.environment import Settings
from shared.tracing.base import OFF
from shared.tracing.opentelemetry import _named_by_environment

_PROGRAM = """
import sys
import services.api.wiring, services.exporter.wiring, services.importer.wiring, services.standalone.wiring
print([name for name in sys.modules if name.partition(".")[0] == "opentelemetry"])
"""


async def test_nobody_traces_by_default() -> None:
    async with open_tracer(Settings(), service="test") as tracer:
        assert tracer is OFF
        assert tracer.on_query is None


def test_opentelemetry_is_not_imported_while_nobody_traces() -> None:
    done = subprocess.run([sys.executable, "-c", _PROGRAM], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


async def test_tracing_without_the_extra_is_an_error_that_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "shared.tracing.opentelemetry", None)
    with pytest.raises(TracingMissing, match=r"pip install 'crossdock\[tracing\]'"):
        async with open_tracer(Settings(tracing=True), service="test"):
            pass


async def test_names_from_the_environment_win(monkeypatch: pytest.MonkeyPatch) -> None:
    own = Resource({"service.name": "crossdock-test"})
    assert _named_by_environment(own).attributes["service.name"] == "crossdock-test"
    monkeypatch.setenv("OTEL_SERVICE_NAME", "mine")
    assert _named_by_environment(own).attributes["service.name"] == "mine"

"""The registry of one process, with the standard collectors of Prometheus's client."""

from __future__ import annotations

from importlib.metadata import version

from prometheus_client import (
    CollectorRegistry,
    GCCollector,
    Info,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
)

OTHER = "other"
"""The label value for everything that is in no closed set."""

MINUTE, HOUR = 60, 3600

BUCKETS = (
    0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, MINUTE, 2 * MINUTE, 5 * MINUTE, 10 * MINUTE, 30 * MINUTE,
    HOUR, 2 * HOUR, 4 * HOUR, 8 * HOUR, 24 * HOUR,
)  # fmt: skip
"""Seconds, for operations whose duration depends on the size of a project."""

QUICK_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, MINUTE, 10 * MINUTE, HOUR)
"""Seconds, for operations that should be quick, but may transfer much."""


def make_registry(service: str) -> CollectorRegistry:
    """Make a registry with the metrics of the process and of the build."""
    # A second series for each counter, which the client makes for all registries or for none.
    disable_created_metrics()  # type: ignore[no-untyped-call]  # the library's
    registry = CollectorRegistry(auto_describe=True)
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    build = Info(
        "crossdock_build", "Version of the running code, and which service it is.", registry=registry
    )
    build.info({"version": version("crossdock"), "service": service})
    return registry

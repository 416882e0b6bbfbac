"""Opens the buckets of users, by the settings of the process."""

from __future__ import annotations

from functools import partial

from services.process.ports import Ports
from shared.destinations.buckets import Buckets, OutsideRules
from shared.outbound.policy import outbound_tls
from shared.settings.defaults import default_settings
from shared.settings.environment import Settings
from shared.settings.store import application_settings


def make_buckets(ports: Ports, settings: Settings) -> Buckets:
    """Make what opens the buckets of destinations."""
    current = partial(application_settings, ports.pool, default_settings(settings))
    return Buckets(ports.open_bucket, current, OutsideRules(tls=outbound_tls(settings)))

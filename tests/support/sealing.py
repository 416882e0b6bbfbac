"""The key of the tests, and what it opens."""

from __future__ import annotations

from base64 import b64encode

from shared.jobs.models import Job, JobOrder
from shared.jobs.sealed_orders import OrderSealer
from shared.sealing.keys import parse_keys
from shared.sealing.sealer import Sealer

KEY = b64encode(bytes(range(32))).decode()
OTHER_KEY = b64encode(bytes(32)).decode()


def sealer(*keys: str) -> Sealer:
    """Seals with the first of these keys, or with that of the tests."""
    return Sealer(parse_keys(",".join(keys or (KEY,))))


def opened(job: Job) -> JobOrder:
    """The order of a job with its address."""
    return OrderSealer(sealer()).open(job)

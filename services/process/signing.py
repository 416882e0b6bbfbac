"""What signs manifests, by the settings of the process."""

from __future__ import annotations

from shared.settings.environment import Settings
from shared.signing.signer import Signer, parse_signer


def make_signer(settings: Settings) -> Signer | None:
    """Make the signer of the key in the settings, if there is one. Raises SigningKeyInvalid."""
    given = settings.signing_key
    return None if given is None else parse_signer(given.get_secret_value())

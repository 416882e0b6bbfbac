"""Settings of a command: its options override the environment."""

from __future__ import annotations

import os
from typing import Any

from pydantic import ValidationError

from services.cli.errors import UsageError
from shared.settings.environment import Settings, find_unknown


def settings(**options: Any) -> Settings:  # noqa: ANN401  # whatever the settings' fields are
    """Read the settings. An option that is None keeps the value of the environment. Raises UsageError."""
    if unknown := "; ".join(find_unknown(os.environ)):
        raise UsageError(unknown)
    try:
        return Settings(**{name: value for name, value in options.items() if value is not None})
    except ValidationError as error:
        raise UsageError("; ".join(map(_sentence, error.errors()))) from None
    except OSError as error:
        raise UsageError(f"cannot read the file of a secret: {error}") from None


def _sentence(error: Any) -> str:  # noqa: ANN401  # pydantic's ErrorDetails
    name = "_".join(str(part) for part in error["loc"])
    return f"CROSSDOCK_{name.upper()}: {error['msg']}" if name else str(error["msg"])

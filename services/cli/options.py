"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, TypeAlias

import typer

Url: TypeAlias = Annotated[str, typer.Option(envvar="CROSSDOCK_URL", help="URL of a Crossdock or a GitLab.")]
Token: TypeAlias = Annotated[
    str, typer.Option(envvar="CROSSDOCK_TOKEN", help="Access token with the scope api.", show_default=False)
]
Seconds: TypeAlias = Annotated[int, typer.Option("--timeout", min=1, help="Seconds to wait for the job.")]
Data: TypeAlias = Annotated[
    Path | None, typer.Option(help="Data folder of a standalone, instead of CROSSDOCK_DATABASE_URL.")
]
Json: TypeAlias = Annotated[
    bool, typer.Option("--json", help="Print one JSON document, and nothing else, on stdout.")
]

URL = "http://localhost:8080"
DAY = 24 * 3600

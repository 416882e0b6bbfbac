"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, TypeAlias

import typer

Seconds: TypeAlias = Annotated[int, typer.Option("--timeout", min=1, help="Seconds to wait for the job.")]
Data: TypeAlias = Annotated[
    Path | None, typer.Option(help="Data folder of a standalone, instead of CROSSDOCK_DATABASE_URL.")
]
Json: TypeAlias = Annotated[
    bool, typer.Option("--json", help="Print one JSON document, and nothing else, on stdout.")
]
JsonOfEvents: TypeAlias = Annotated[
    bool, typer.Option("--json", help="Print a line of JSON for each event, and nothing else, on stdout.")
]
JsonOfJobs: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--json",
        help="Print one JSON document, with --watch a line for each event, and nothing else, on stdout.",
    ),
]
JsonOfEach: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--json",
        help="Print a line of JSON for each project, one for all at the end, and nothing else, on stdout.",
    ),
]
Relations: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME,...", help="Only these relations (Crossdock).", show_default=False),
]
ExcludedRelations: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME,...", help="All relations but these (Crossdock).", show_default=False),
]
Recipient: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(metavar="age1...", help="Encrypt for this key of age or SSH.", show_default=False),
]
RecipientsFile: TypeAlias = Annotated[
    list[Path] | None,
    typer.Option(metavar="FILE", help="Encrypt for the keys in it, one a line.", show_default=False),
]

DAY = 24 * 3600

"""Which relations a command takes: read from its options, and what the server says that it left out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from services.cli.client import GitLabClient
from services.cli.crossdock_api import JobClient, SelectionAnswer
from services.cli.errors import CommandError, UsageError
from services.cli.terminal import say
from shared.errors import Fault
from shared.gitlab.relation_selection import SELECTABLE, RelationSelection, canonical, unknown


class SelectionUnsupported(CommandError):
    """The server knows no selections: it would take all relations."""

    code = "selection_unsupported"
    fault = Fault.CLIENT
    exit_code = 2


def read_selection(
    relations: Sequence[str] | None, excluded: Sequence[str] | None
) -> RelationSelection | None:
    """Read the options, of which each may have several names between commas. Raises UsageError."""
    only, but = _names(relations or ()), _names(excluded or ())
    if only and but:
        raise UsageError("--relations and --excluded-relations exclude each other")
    if relations and not only:
        raise UsageError("--relations names no relation")
    if not_there := unknown([*only, *but]):
        raise UsageError(f"there is no relation {not_there[0]!r}; possible are {', '.join(SELECTABLE)}")
    if only:
        return RelationSelection(relations=canonical(only))
    return RelationSelection(excluded_relations=canonical(but)) if but else None


def _names(given: Iterable[str]) -> list[str]:
    return [name.strip() for each in given for name in each.split(",") if name.strip()]


def both(first: RelationSelection | None, other: RelationSelection | None) -> RelationSelection | None:
    """Give the selection of what both take."""
    if first is None or other is None:
        return first or other
    return RelationSelection(
        relations=tuple(sorted(name for name in SELECTABLE if first.keeps(name) and other.keeps(name)))
    )


def describe(selection: RelationSelection) -> str:
    """Say what an archive of a selection has."""
    if selection.relations is not None:
        return f"the archive has only {', '.join(selection.relations)}"
    return f"the archive has no {', '.join(selection.excluded_relations)}"


async def require_selecting(client: GitLabClient, selection: RelationSelection | None) -> None:
    """Raise SelectionUnsupported where there is a selection and the server is a GitLab."""
    if selection is not None and not await client.is_crossdock():
        raise SelectionUnsupported("a GitLab cannot select relations: it exports and imports all of them")


async def find_missed(
    client: GitLabClient, job: int | None, selection: RelationSelection | None
) -> Sequence[str]:
    """Give a sentence for each relation that refers to what a finished job left out.

    Raises SelectionUnsupported where the server has passed over the selection, as an older version does.
    """
    if selection is None or job is None:
        return ()
    answer = (await JobClient(client).find(job)).progress.selection
    if not isinstance(answer, SelectionAnswer):
        raise SelectionUnsupported(f"the server knows no selections: job {job} has taken all relations")
    return [f"{each.relation} refers to {each.refers_to}, which is left out" for each in answer.missed]


async def tell_missed(client: GitLabClient, job: int | None, selection: RelationSelection | None) -> None:
    """Say the same on stderr."""
    for sentence in await find_missed(client, job, selection):
        say(sentence)

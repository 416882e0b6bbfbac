"""Results of commands: shown as text, or with ``--json`` as a document whose keys are stable."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

import msgspec
from msgspec import UNSET
from rich.filesize import decimal

from services.cli.client import ImportStatusAnswer, ObjectStats, ProjectReference, RelationFailure
from services.cli.crossdock_api import (
    JobAnswer,
    PartCounts,
    RefusedJobAnswer,
    RelationCounts,
    RetriedJobAnswer,
    SelectionAnswer,
)
from services.cli.formats import counted, explained, moment
from services.cli.terminal import print_result, print_table, say

_INDEX = re.compile(r"\[\d+\]")
_NOTES = {
    "macos_files": "files that macOS had added, skipped",
    "repeated_names": "files that gave way to a later one of the same name",
    "long_names": "names over 255 bytes, which Linux cannot unpack",
}

_EFFECTS = {
    "fails_import": "fails the import",
    "drops_record": "leaves the record out",
    "drops_nested": "leaves this part out",
    "renumbers": "gives one of them another number",
    "ignores": "does not read it",
    "differs": "-",
}

MOST_LISTED = 1000
"""The number of blobs, failures and names of each kind that are listed; the others are only counted."""


class Result(Protocol):
    """A document that can be shown as text."""

    def show(self) -> None:
        """Print the result as text."""


class ImportResult(msgspec.Struct, frozen=True, kw_only=True):
    """``crossdock import``, ``import-git``: ``state`` is GitLab's, ``scheduled`` if the command did not wait.

    At a GitLab ``job`` is null, and so is the ``error_code`` of an import that failed.
    """

    project: ProjectReference
    job: int | None
    state: str
    error: str | None = None
    error_code: str | None = None
    failed_relations: Sequence[RelationFailure] = ()

    def show(self) -> None:
        """See Result."""
        print_result(f"{self.project.path_with_namespace} (id {self.project.id}): {self.state}")


class GitHubImportResult(ImportResult, frozen=True, kw_only=True):
    """``crossdock import-github``; ``stats`` are null before a worker has counted anything."""

    stats: ObjectStats | None = None

    def show(self) -> None:
        """See Result."""
        super().show()
        show_stats(self.stats or ObjectStats())


def show_stats(stats: ObjectStats) -> None:
    """Print how many objects of each type were fetched and imported, if there were any."""
    rows = [(name, count, stats.imported.get(name, 0)) for name, count in stats.fetched.items()]
    if rows:
        print_table("Objects", ("type", "fetched", "imported"), rows)


def project_of_import(status: ImportStatusAnswer) -> ProjectReference:
    """Return the project of an import."""
    return ProjectReference(status.id, status.path_with_namespace)


class ExportResult(msgspec.Struct, frozen=True, kw_only=True):
    """``crossdock export``: ``file``, ``bytes`` and ``sha256`` are null if no archive was downloaded.

    ``job`` is null at a GitLab, and if the command started no new export.
    """

    project: ProjectReference | None
    job: int | None
    state: str
    error: str | None = None
    error_code: str | None = None
    file: str | None = None
    bytes: int | None = None
    sha256: str | None = None

    def show(self) -> None:
        """See Result."""
        if self.file is not None:
            say(f"Wrote {self.file}: {decimal(self.bytes or 0)}")
        say(f"sha256 {self.sha256}")


class ImportState(msgspec.Struct, frozen=True, kw_only=True):
    """The state of an import, with at most 100 failed relations. ``error_code`` is null at a GitLab."""

    state: str
    error: str | None
    error_code: str | None
    failed_relations: Sequence[RelationFailure]


class ExportState(msgspec.Struct, frozen=True):
    """The state of an export, null if the user has no permission to see it."""

    state: str | None


class StatusResult(msgspec.Struct, frozen=True, kw_only=True):
    """``crossdock status``: ``refused_lines`` counts those that were neither repaired nor discarded since."""

    project: ProjectReference
    import_: ImportState = msgspec.field(name="import")
    refused_lines: int | None
    export: ExportState

    def show(self) -> None:
        """See Result."""
        rows = [("project", f"{self.project.path_with_namespace} (id {self.project.id})")]
        rows.append(("import", self.import_.state))
        if self.import_.error:
            rows.append(("import error", explained(self.import_.error)))
        rows.append(("left out", str(len(self.import_.failed_relations))))
        if self.refused_lines is not None:
            rows.append(("refused still", self._refused_still(self.refused_lines)))
        state = self.export.state or "not visible to you"
        rows.append(("export", "none of yours" if state == "none" else state))
        print_table("", ("what", "state"), rows)
        list_failures([each for each in self.import_.failed_relations if not self._is_settled(each)])

    def _refused_still(self, lines: int) -> str:
        if not lines:
            return "none: repaired, or discarded"
        return f"{counted(lines, 'line')}: crossdock quarantine {self.project.path_with_namespace}"

    def _is_settled(self, failure: RelationFailure) -> bool:
        """Tell whether the failure was of a line, and no line is refused any more."""
        return self.refused_lines == 0 and failure.line_number is not None


class JobStatus(msgspec.Struct, frozen=True, kw_only=True):
    """``crossdock status --job``: ``failed_relations`` is null without ``--failures``."""

    job: JobAnswer
    failed_relations: Sequence[RelationFailure] | None

    def show(self) -> None:
        """See Result."""
        job = self.job
        rows = [("job", job.id), ("kind", job.kind), ("project", job.project.path_with_namespace)]
        rows += [("state", job.state), ("attempt", f"{job.attempt} of {job.max_attempts}")]
        rows += [("error", explained(job.error))] if job.error else []
        rows += [("canceled by", job.canceled_by.username)] if job.canceled_by else []
        rows += [("retry of", f"job {job.retry_of}")] if job.retry_of else []
        rows += [("retried as", f"job {job.retried_by}")] if job.retried_by else []
        rows += [("created", moment(job.created_at)), ("finished", moment(job.finished_at))]
        rows += [("bytes", job.progress.bytes_done), ("entries", job.progress.entries)]
        print_table("", ("what", "state"), rows)
        errors = [
            (each.attempt, moment(each.at), each.times, each.code, each.error) for each in job.errors or ()
        ]
        if errors:
            print_table("Errors of attempts", ("attempt", "when", "times", "code", "error"), errors)
        relations = [(name, each.lines, each.failed) for name, each in job.progress.relations.items()]
        if relations:
            print_table("Relations", ("relation", "lines", "failed"), relations)
        if job.progress.stats is not UNSET:
            show_stats(job.progress.stats)
        show_notes(job.progress.notes)
        if job.progress.selection is not UNSET:
            show_selection(job.progress.selection)
        if job.progress.contents is not UNSET:
            show_contents(job.progress.contents)
        list_failures(self.failed_relations or ())


class JobResult(msgspec.Struct, frozen=True, kw_only=True):
    """``crossdock cancel`` and ``crossdock retry``."""

    job: JobAnswer
    error: str | None = None
    error_code: str | None = None

    def show(self) -> None:
        """See Result."""
        job = self.job
        print_result(f"job {job.id} ({job.kind} of {job.project.path_with_namespace}): {job.state}")


class BulkRetryResult(msgspec.Struct, frozen=True, kw_only=True):
    """``crossdock retry-failed``."""

    dry_run: bool
    matched: Sequence[int]
    retried: Sequence[RetriedJobAnswer]
    refused: Sequence[RefusedJobAnswer]

    def show(self) -> None:
        """See Result."""
        print_result(self._foreseen() if self.dry_run else self._done())
        if self.refused:
            rows = [(each.id, each.code, each.error) for each in self.refused]
            print_table("Refused", ("job", "code", "why"), rows, stderr=True)

    def _done(self) -> str:
        return f"{counted(len(self.retried), 'job')} retried, {len(self.refused)} refused"

    def _foreseen(self) -> str:
        """Say how many would be retried, which these are, and by which codes others would be refused."""
        refused = {each.id for each in self.refused}
        going = [job for job in self.matched if job not in refused]
        counts = Counter(each.code for each in self.refused)
        why = ", ".join(f"{number} {code}" for code, number in counts.most_common())
        told = f"{counted(len(going), 'job')} would be retried, {len(refused)} refused{why and f' ({why})'}"
        return f"{told}: {', '.join(map(str, going))}" if going else told


class JobList(msgspec.Struct, frozen=True):
    """``crossdock jobs``, the newest first."""

    jobs: Sequence[JobAnswer]
    has_more: bool = False

    def show(self) -> None:
        """See Result."""
        rows = [
            (
                each.id,
                each.kind,
                each.state,
                each.project.path_with_namespace,
                moment(each.created_at),
                explained(each.error) if each.error else "-",
            )
            for each in self.jobs
        ]
        print_table("Jobs", ("id", "kind", "state", "project", "created", "error"), rows)
        if self.has_more:
            say(f"There are more jobs than these {len(rows)}: --limit takes up to 10000")


def list_failures(failures: Sequence[RelationFailure]) -> None:
    """Show on stderr what was left out."""
    if failures:
        rows = [
            (
                _or_dash(each.relation_name),
                _line(each.line_number),
                _or_dash(each.exception_class),
                _or_dash(each.exception_message),
            )
            for each in failures
        ]
        print_table("Left out", ("relation", "line", "class", "message"), rows, stderr=True)


def show_notes(notes: Mapping[str, int]) -> None:
    """Show what an import went on after."""
    if notes:
        print_table(
            "Notes", ("note", "files"), [(_NOTES.get(name, name), count) for name, count in notes.items()]
        )


def show_selection(selection: SelectionAnswer) -> None:
    """Show what was left out by choice, and what refers to it."""
    left_out = [(name, each.files, each.bytes) for name, each in selection.left_out.items()]
    print_table("Left out by choice", ("relation", "files", "bytes"), left_out)
    if selection.missed:
        missed = [(each.relation, each.refers_to) for each in selection.missed]
        print_table("References to what is left out", ("relation", "refers to"), missed)


def show_contents(contents: Mapping[str, PartCounts]) -> None:
    """Show what an archive announces, and what of it came."""
    rows = [
        (name, f"{each.announced}{'+' if each.partial else ''}", each.came, each.missing, each.unannounced)
        for name, each in contents.items()
    ]
    if rows:
        print_table("Contents", ("part", "named by records", "came", "missing", "named by none"), rows)


def _or_dash(value: object) -> object:
    return "-" if value is None else value


def _line(number: int | None) -> object:
    """Give the number of a line as editors count, from 1: the API counts from 0."""
    return "-" if number is None else number + 1


class BlobSummary(msgspec.Struct, frozen=True):
    """A file of an archive that is not a relation."""

    name: str
    bytes: int


class NameList(msgspec.Struct, frozen=True):
    """How many names, and the first 1000."""

    count: int
    names: Sequence[str]


class ManifestComparison(msgspec.Struct, frozen=True, kw_only=True):
    """How the files of an archive compare with those of a manifest, whose digest is ``sha256``.

    ``signed`` says that its signature was verified.
    """

    sha256: str
    signed: bool
    missing: NameList
    extra: NameList
    differing: NameList

    @property
    def is_equal(self) -> bool:
        """Whether the archive has these files and no other."""
        return not (self.missing.count or self.extra.count or self.differing.count)

    def show(self) -> None:
        """See Result."""
        print_result(f"manifest {self.sha256}{', signed' if self.signed else ''}")

    def list_names(self) -> None:
        """Show the files that are not as the manifest says on stderr, and how many there are."""
        found = {"missing": self.missing, "extra": self.extra, "differs": self.differing}
        rows = [(name, what) for what, listed in found.items() for name in listed.names]
        print_table("Files that are not as the manifest says", ("file", "what"), rows, stderr=True)
        say(", ".join(f"{listed.count} {what}" for what, listed in found.items() if listed.count))


class ShapeFaultResult(msgspec.Struct, frozen=True):
    """What is not as GitLab writes it; ``relation`` and ``line`` are null for the project itself.

    ``number`` is the iid of the record, if it has one, and ``effect`` what GitLab's import does with it.
    """

    relation: str | None
    line: int | None
    field: str
    message: str
    number: int | None = None
    effect: str = "differs"


class _FaultKind(NamedTuple):
    """What faults have in common whose records differ, wherever in a list of the record they are."""

    relation: str | None
    field: str
    message: str
    effect: str

    @classmethod
    def of(cls, fault: ShapeFaultResult) -> _FaultKind:
        return cls(fault.relation, _INDEX.sub("[]", fault.field), fault.message, fault.effect)


class ShapeReport(msgspec.Struct, frozen=True):
    """How many faults there are, and the first 1000.

    ``partial`` names relations whose numbers are too far apart for all to be compared.
    """

    count: int
    faults: Sequence[ShapeFaultResult]
    partial: Sequence[str] = ()

    def list_faults(self) -> None:
        """Show the kinds of faults on stderr, each with its first place, and how many faults there are."""
        if self.count:
            kinds: dict[_FaultKind, list[ShapeFaultResult]] = {}
            for each in self.faults:
                kinds.setdefault(_FaultKind.of(each), []).append(each)
            rows = [
                (
                    _or_dash(kind.relation),
                    kind.field or "-",
                    kind.message,
                    len(found),
                    _line(found[0].line),
                    _or_dash(found[0].number),
                    _EFFECTS.get(kind.effect, kind.effect),
                )
                for kind, found in kinds.items()
            ]
            columns = (
                "relation", "field", "what is wrong", "times", "first line", "first number",
                "what a GitLab does",
            )  # fmt: skip
            print_table("Not as GitLab writes it", columns, rows, stderr=True)
            listed = f"; the first {len(self.faults)} are listed" if self.count > len(self.faults) else ""
            say(f"{counted(self.count, 'difference')} from what GitLab writes{listed}")
        if self.partial:
            say(f"Numbers are too far apart to compare all of them in: {', '.join(self.partial)}")


class VerificationResult(msgspec.Struct, frozen=True, kw_only=True):
    """``crossdock verify``: the first 1000 ``blobs`` and ``failed_relations``, the first 200 ``relations``.

    ``notes`` counts what an import goes on after, as in ``progress`` of a job. ``contents``, as there, and
    ``sha256`` are null for what is no project, and ``manifest`` if there is none to compare with; all are if
    the archive was not read to its end. ``for_gitlab`` is null without that option.
    """

    file: str
    bytes: int
    sha256: str | None
    error: str | None
    error_code: str | None
    entries: int
    relations: Mapping[str, RelationCounts]
    blobs: Sequence[BlobSummary]
    blob_count: int
    blob_bytes: int
    notes: Mapping[str, int]
    contents: Mapping[str, PartCounts] | None = None
    failed_relations: Sequence[RelationFailure]
    failure_count: int
    manifest: ManifestComparison | None = None
    for_gitlab: ShapeReport | None = None

    def show(self) -> None:
        """See Result."""
        rows = [(name, each.lines, each.failed or "-") for name, each in self.relations.items()]
        print_table("Relations", ("relation", "lines", "left out"), rows)
        self._show_blobs()
        show_notes(self.notes)
        show_contents(self.contents or {})
        print_result(f"sha256 {self.sha256}")
        if self.manifest:
            self.manifest.show()
        list_failures(self.failed_relations)
        say(self._verdict())

    def _show_blobs(self) -> None:
        print_result(f"{counted(self.blob_count, 'file')} of {counted(self.blob_bytes, 'byte')} in all")

    def _verdict(self) -> str:
        lines = sum(each.lines for each in self.relations.values())
        taken = f"{counted(lines, 'line')} of {counted(len(self.relations), 'relation')}"
        left_out = counted(self.failure_count, "item") if self.failure_count else "nothing"
        files = counted(self.blob_count, "file")
        return f"An import would take {taken} and {files}, and leave out {left_out}"


class VerificationListing(VerificationResult, frozen=True, kw_only=True):
    """The same, shown with the first 1000 files by their names."""

    def _show_blobs(self) -> None:
        print_table("Files", ("file", "bytes"), [(each.name, each.bytes) for each in self.blobs])
        if self.blob_count > len(self.blobs):
            print_result(f"and {self.blob_count - len(self.blobs):,} more")
        super()._show_blobs()


class VersionResult(msgspec.Struct, frozen=True):
    """``crossdock version``."""

    version: str

    def show(self) -> None:
        """See Result."""
        print_result(f"crossdock {self.version}")

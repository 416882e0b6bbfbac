"""The help of ``crossdock``: its commands in groups, and examples of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from typer.core import TyperGroup

GROUPS: Mapping[str, Mapping[str, Sequence[str]]] = {
    "Projects": {
        "import": (
            "crossdock import one_export.tar.gz --path platform/one",
            "ssh backup cat one.tar.gz | crossdock import - --path platform/one",
            "crossdock import s3://backups/one.tar.gz --path platform/one",
            "crossdock import one.tar.gz --path platform/one --direct",
        ),
        "import-git": ("crossdock import-git https://git.example.com/one.git --path platform/one",),
        "import-github": (
            "crossdock import-github octocat/hello --path platform/hello --attachments",
            "crossdock import-github https://github.example.com/octocat/hello --path platform/hello",
        ),
        "export": (
            "crossdock export platform/one -o one.tar.gz",
            "crossdock export platform/one -o - | tar -tz",
            "crossdock export platform/one --upload-url @presigned.txt",
            "crossdock export platform/one --upload-parts @parts.json",
        ),
        "status": ("crossdock status platform/one", "crossdock status --job 7 --failures"),
        "quarantine": (
            "crossdock quarantine platform/one -o refused.jsonl",
            "crossdock quarantine platform/one --import repaired.jsonl",
        ),
        "people": (
            "crossdock people platform/one --csv > people.csv",
            "crossdock people platform/one --map people.csv --dry-run",
        ),
        "verify": (
            "crossdock verify one.tar.gz --strict",
            "crossdock verify one.tar.gz --manifest one.manifest.json",
        ),
        "push": ("crossdock push unpacked/ platform/one --from-current",),
    },
    "Many projects": {
        "projects": ("crossdock projects --group platform --match 'platform/*/api' --csv",),
        "backup": (
            "crossdock backup --all --to /srv/backups",
            "crossdock backup --group platform --to s3://backups/gitlab --profile gitlab",
        ),
        "restore": (
            "crossdock restore /srv/backups --into restored",
            "crossdock restore s3://backups/gitlab --into restored --only '*/api' --at 2027-01-30",
        ),
        "prune": ("crossdock prune /srv/backups --keep-daily 7 --keep-weekly 4 --keep-monthly 12",),
        "check": ("crossdock check s3://backups/gitlab --read-data-subset 5%",),
        "copy": (
            "crossdock copy gitlab:platform/api vault:backup",
            "crossdock copy --group gitlab:platform vault:platform --dry-run",
            "crossdock copy --group gitlab:platform vault:platform --report copied.csv",
        ),
    },
    "Schedules": {
        "destinations": (
            "crossdock destinations create-gitlab forge https://gitlab.example.com --token-of token.txt",
            "crossdock destinations test forge",
            "crossdock destinations import forge platform/api --namespace vault --wait",
            "crossdock destinations export forge platform/api --namespace mirrors",
            "crossdock destinations create-s3 vault backups --prefix nightly --credentials keys.ini",
        ),
        "schedules": (
            "crossdock schedules create nightly --to vault --cron '0 2 * * *' --all --keep-daily 7",
            "crossdock schedules create vault --from forge --into vault --group platform --cron '0 3 * * *'",
            "crossdock schedules run nightly --wait",
            "crossdock schedules runs nightly",
        ),
    },
    "Jobs": {
        "jobs": ("crossdock jobs --state failed --kind import", "crossdock jobs --watch --mine"),
        "logs": ("crossdock logs 7 --follow",),
        "wait": ("crossdock wait 7 --timeout 3600",),
        "cancel": ("crossdock cancel 7",),
        "retry": ("crossdock retry 7 --wait",),
        "retry-failed": ("crossdock retry-failed --code storage_failed --since 2027-01-30 --dry-run",),
    },
    "Server": {
        "login": (
            "crossdock login gitlab https://gitlab.example.com",
            "pass show vault | crossdock login vault https://vault.example.com",
        ),
        "logout": ("crossdock logout vault",),
        "profiles": ("crossdock profiles",),
        "standalone": ("crossdock standalone --port 8080 --data /var/lib/crossdock",),
        "demo": (
            "crossdock demo",
            "crossdock demo --archive one_export.tar.gz",
            "crossdock demo --write one_export.tar.gz",
            "crossdock demo --write large_export.tar.gz --mib 1000",
        ),
        "api": ("crossdock api",),
        "exporter": ("crossdock exporter",),
        "importer": ("crossdock importer",),
        "version": ("crossdock version --json",),
    },
    "Administration": {
        "migrate": ("crossdock migrate",),
        "admin": (),
        "dead-letters": (),
    },
}
"""The commands by group, in the order in which they are shown, and how each is used."""

_OTHERS = "Other commands"
_WHOLE = 1000
"""Characters of a command's first sentence: it is wrapped, and not cut."""
_AS_IT_IS = "\b\n"
"""Before a paragraph, it keeps its lines as they are."""


class WholeHelp(TyperGroup):
    """Shows what each command does as a whole sentence, which typer cuts."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # noqa: ANN401  # typer's, which are private
        """Write the commands."""
        self.write_section(formatter, "Commands", self.list_commands(ctx))

    def write_section(self, formatter: Any, title: str, names: Sequence[str]) -> None:  # noqa: ANN401  # typer's
        """Write those of the commands that there are, if any, below a title."""
        found = [(name, self.commands[name]) for name in names if name in self.commands]
        if not found:
            return
        longest = max(map(len, self.commands))
        rows = [(name.ljust(longest), command.get_short_help_str(_WHOLE)) for name, command in found]
        with formatter.section(title):
            formatter.write_dl(rows)


class GroupedHelp(WholeHelp):
    """Shows the commands in groups, and below the help of each its examples."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # noqa: ANN401  # typer's, which are private
        """Write the groups; a command of none is in a last one."""
        known = {name for commands in GROUPS.values() for name in commands}
        others = [name for name in self.list_commands(ctx) if name not in known]
        for group, names in (*GROUPS.items(), (_OTHERS, others)):
            self.write_section(formatter, group, list(names))

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ANN401  # typer's, which are private
        """Return a command, with its examples."""
        command = super().get_command(ctx, cmd_name)
        if command is not None and (examples := examples_of(cmd_name)):
            lines = (f"  {line}" for line in examples)
            command.epilog = "\n".join((f"{_AS_IT_IS}Examples:", *lines))
        return command


def examples_of(command: str) -> Sequence[str]:
    """Return the examples of a command."""
    return next((commands[command] for commands in GROUPS.values() if command in commands), ())

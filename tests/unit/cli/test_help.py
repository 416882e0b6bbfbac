from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from services.cli.__main__ import app
from services.cli.help import GROUPS

COMMANDS = get_command(app).commands  # type: ignore[attr-defined]  # of a group
EXAMPLES = [example for commands in GROUPS.values() for each in commands.values() for example in each]
MODULES = 340
"""Modules that are imported at most: 245 for --version take 0.2 s, and 310 for completion, of which typer
imports pydantic's, 0.24 s."""

PROGRAM = """
import sys
before = set(sys.modules)
from services.cli.__main__ import main
try:
    main()
except SystemExit:
    pass
print(*set(sys.modules) - before, sep="\\n", file=sys.stderr)
"""


def test_each_command_is_in_one_group() -> None:
    named = Counter(name for commands in GROUPS.values() for name in commands)
    assert named == Counter(list(COMMANDS))


def test_the_help_shows_the_groups_in_their_order() -> None:
    shown = CliRunner().invoke(app, ["--help"]).stdout
    found = [shown.index(f"\n{group}:\n") for group in GROUPS]
    assert found == sorted(found)


@pytest.mark.parametrize("name", [name for name in COMMANDS if name not in {"admin", "dead-letters"}])
def test_the_help_of_a_command_ends_with_examples_of_it(name: str) -> None:
    shown = CliRunner().invoke(app, [name, "--help"]).stdout
    examples = shown.partition("\n  Examples:\n")[2].splitlines()
    assert examples
    assert all(f"crossdock {name}" in line for line in examples)


@pytest.mark.parametrize("name", [name for name in COMMANDS if hasattr(COMMANDS[name], "commands")])
def test_a_group_says_what_its_commands_do_in_whole_sentences(name: str) -> None:
    shown = " ".join(CliRunner().invoke(app, [name, "--help"]).stdout.split())
    for command in COMMANDS[name].commands.values():
        assert command.get_short_help_str(limit=1000).strip(".") in shown


def _arguments(commands: Mapping[str, Any], prefix: str = "") -> Iterator[Any]:
    for name, command in commands.items():
        yield from _arguments(getattr(command, "commands", {}), f"{prefix}{name} ")
        for argument in command.params:
            if argument.param_type_name == "argument":
                yield pytest.param(argument.metavar, id=f"{prefix}{name} {argument.name}")


@pytest.mark.parametrize("metavar", list(_arguments(COMMANDS)))
def test_an_argument_is_in_capitals_as_it_is_in_texts(metavar: str | None) -> None:
    assert metavar
    assert metavar != metavar.lower()


def _with_json(commands: Mapping[str, Any], prefix: str = "") -> Iterator[Any]:
    """What has the option --json: the help of the option, and the text about the command."""
    for name, command in commands.items():
        yield from _with_json(getattr(command, "commands", {}), f"{prefix}{name} ")
        for option in command.params:
            if "--json" in option.opts:
                yield pytest.param(option.help, " ".join(command.help.split()), id=f"{prefix}{name}")


@pytest.mark.parametrize(("option", "text"), list(_with_json(COMMANDS)))
def test_the_help_says_one_thing_of_what_json_a_command_prints(option: str, text: str) -> None:
    """One document has keys, which are told; several are lines, of events or of projects."""
    of_projects = re.search(r"With --json: (a document a project|documents as those of backup)", text)
    assert ("Keys with --json: " in text) == ("one JSON document" in option)
    assert ("a line for each event" in text) == ("for each event" in option)
    assert bool(of_projects) == ("for each project" in option)


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_is_a_command_that_is_understood(example: str) -> None:
    words = shlex.split(example, comments=True)
    words = words[words.index("crossdock") + 1 :]
    pipe = next((place for place, word in enumerate(words) if word in {"|", ">"}), len(words))
    name, *arguments = words[:pipe]
    COMMANDS[name].make_context(name, arguments)


@pytest.mark.parametrize(
    ("arguments", "environment"),
    [
        (["--version"], {}),
        ([], {"_CROSSDOCK_COMPLETE": "complete_bash", "COMP_WORDS": "crossdock exp", "COMP_CWORD": "1"}),
    ],
)
def test_what_answers_at_once_imports_few_modules(
    arguments: list[str], environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments], check=True, capture_output=True, text=True
    )
    assert done.stdout.strip()
    assert len(done.stderr.split()) <= MODULES

"""What can be asked of the harness."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
_CACHE = ROOT / ".bench"


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Sizes and repetitions of all measures. Sizes of archives are MiB of what is in them."""

    only: tuple[str, ...]
    size: int = 128
    sizes: tuple[int, ...] = (32, 128)
    pairs: int = 2
    files: int = 10_000
    jobs: int = 60
    projects: int = 500
    seconds: float = 8
    entries: int = 1_000_000
    gib: int = 100
    patience: float = 30
    minutes: float = 600
    settings: tuple[str, ...] = ()
    out: Path = ROOT / "bench.json"
    cache: Path = _CACHE


def parse(words: list[str], known: dict[str, bool]) -> Options:
    """Read the command line; ``known`` has the measures, and whether each is of the short form."""
    given = vars(_parser(known).parse_args(words))
    given["only"] = given["only"] or tuple(name for name, is_short in known.items() if is_short)
    given["settings"] = tuple(given["settings"])
    return Options(**{name: value for name, value in given.items() if value is not None})


def _parser(known: dict[str, bool]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="make bench",
        description=f"Measures Crossdock against what one would do instead. Measures: {', '.join(known)}. "
        f"Not in the short form: {', '.join(name for name in known if not known[name])}.",
    )

    def measures(text: str) -> tuple[str, ...]:
        names = tuple(text.split(","))
        for name in names:
            if name not in known:
                raise argparse.ArgumentTypeError(f"{name} is none of {', '.join(known)}")
        return names

    add = parser.add_argument
    add("--only", type=measures, help="measures, separated by commas")
    add("--size", type=int, help="MiB of an archive (128)")
    add("--sizes", type=_numbers, help="MiB of the archives of memory (32,128)")
    add("--pairs", type=int, help="how often ours and theirs are measured, in turn (2)")
    add("--files", type=int, help="small files in an archive (10000)")
    add("--jobs", type=int, help="tiny jobs (60)")
    add("--projects", type=int, help="projects of a fleet (500)")
    add("--seconds", type=float, help="how long rates are measured (8)")
    add("--entries", type=int, help="entries of a simulated index (1000000)")
    add("--gib", type=int, help="GiB of a simulated project (100)")
    add("--patience", type=float, help="seconds that a simulated export may take (30)")
    add("--minutes", type=float, help="begin no measure after these (600)")
    add(
        "--set",
        dest="settings",
        nargs="*",
        default=[],
        metavar="CROSSDOCK_X=Y",
        help="settings of the services",
    )
    add("--out", type=Path, help="the results as JSON (bench.json); plots are written beside it")
    add("--cache", type=Path, help="where archives are kept for the next run (.bench)")
    return parser


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(map(int, text.split(",")))

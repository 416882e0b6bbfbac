"""Fuzzes one target by its coverage: ``python -m tests.fuzz TARGET [flags of libFuzzer]``.

An input that fails is kept as ``.fuzz/TARGET-crash-*``; run with its path to see it fail again.
"""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from typing import Any

_CORPUS = Path(".fuzz")
_SECONDS = 10
"""For one input; the slowest that are right take a tenth of that."""
_MEBIBYTES = 1024


def main(name: str, flags: list[str]) -> None:
    """Fuzz until a flag ends it (``-max_total_time=60``), or an input fails."""
    atheris: Any = import_module("atheris")  # has no wheel for the newest Python
    with atheris.instrument_imports(include=["services", "shared", "multipart"]):
        target = import_module("tests.fuzz.targets").TARGETS[name]
    corpus = _CORPUS / name
    corpus.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(target.seeds):
        (corpus / f"seed-{number}").write_bytes(seed)
    bounds = [f"-timeout={_SECONDS}", f"-rss_limit_mb={_MEBIBYTES}", f"-max_len={target.longest}"]
    files = [flag for flag in flags if not flag.startswith("-")] or [str(corpus)]
    options = [flag for flag in flags if flag.startswith("-")]
    atheris.Setup(
        [sys.argv[0], *bounds, f"-artifact_prefix={_CORPUS}/{name}-", *options, *files], target.check
    )
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])

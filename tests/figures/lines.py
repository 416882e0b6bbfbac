"""Makes what SlipCover wrote a file of coverage.py, which knows what a statement is and prints the table.

SlipCover counts lines by calls that it adds to the code of our modules alone, and takes away where they have
told all; the tracer that Python 3.11 has is called for each line of every module. It sees neither other
processes nor branches: ``make coverage`` does.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from coverage import CoverageData


def convert(written: Path) -> Path:
    """Give the file, which lies beside ``written``."""
    files = json.loads(written.read_bytes())["files"]
    made = CoverageData(basename=str(written.with_name("data.lines")))
    made.add_lines({str(Path(name).absolute()): each["executed_lines"] for name, each in files.items()})
    made.write()
    return Path(made.data_filename())


if __name__ == "__main__":
    convert(Path(sys.argv[1]))

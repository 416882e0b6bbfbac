"""What a good engineer would do instead: shell commands over the same Postgres and the same S3."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from tests.benchmarks.meters import timed
from tests.benchmarks.statements import program
from tests.support.postgres import PostgresServer
from tests.support.seaweedfs import S3Server

_AS_IT_IS = r"with (format csv, quote E'\x01', delimiter E'\x02')"
"""Lines of JSON as one column, nothing in them quoted."""
_CHECK = "import json, sys\nfor name in sys.argv[1:]:\n    for line in open(name, 'rb'): json.loads(line)"
_COPY_IN = f"""
for file in "$X"/tree/project/*.ndjson; do
    table=${{NAME}}_$(basename "$file" .ndjson)
    psql -c "create table $table (n bigserial, line text)" -c "\\copy $table(line) from $file {_AS_IT_IS}"
done"""
_COPY_OUT = f"""
for table in $(psql -Atc "select tablename from pg_tables where tablename like '${{NAME}}\\_%'"); do
    file=$X/tree/project/${{table#${{NAME}}_}}.ndjson
    psql -c "\\copy (select line from $table order by n) to $file {_AS_IT_IS}"
done"""  # noqa: S608  # our own names
_PSQL = 'psql() { "$PSQL" -qX -v ON_ERROR_STOP=1 -d "$DATABASE" "$@"; }'


class Peer:
    """Imports archives into tables and a prefix of the bucket, and exports them, in a folder of its own."""

    def __init__(self, folder: Path, postgres: PostgresServer, database: str, s3: S3Server) -> None:
        self._folder, self._bucket = folder, s3.bucket
        self._env = {
            "DATABASE": postgres.url(database), "PSQL": str(program()), "PYTHON": sys.executable,
            "S5CMD": _s5cmd(), "S3_ENDPOINT_URL": s3.endpoint, "AWS_REGION": s3.region,
            "AWS_ACCESS_KEY_ID": s3.access_key, "AWS_SECRET_ACCESS_KEY": s3.secret_key,
            "X": str(folder / "tree"),
        }  # fmt: skip

    def import_archive(self, archive: Path, name: str, *, onto_files: bool = False) -> float:
        """Import an archive under a name and give the seconds; with ``onto_files``, blobs stay files."""
        self._clean()
        put = f'cd "$X" && "$S5CMD" cp --exclude "tree/project/*.ndjson" ./ "s3://{self._bucket}/{name}/"'
        return self._run(
            name,
            f'cp "{archive}" upload', "gzip -dc upload | wc -c", 'tar -xzf upload -C "$X"',
            f'"$PYTHON" -c "{_CHECK}" "$X"/tree/project/*.ndjson', _COPY_IN, *(() if onto_files else (put,)),
        )  # fmt: skip

    def export(self, name: str) -> float:
        """Export what was imported under that name and give the seconds."""
        self._clean()
        bucket = f"s3://{self._bucket}"
        return self._run(
            name,
            _COPY_OUT, f'"$S5CMD" cp "{bucket}/{name}/*" "$X/"', 'tar -czf archive -C "$X" .',
            f'"$S5CMD" cp archive "{bucket}/{name}.tar.gz"',
        )  # fmt: skip

    def export_files(self, name: str) -> float:
        """Export what was imported under that name onto files, which still lie unpacked; give the seconds."""
        return self._run(name, _COPY_OUT, 'tar -czf archive -C "$X" .')

    def forget(self) -> None:
        """Remove all files."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _clean(self) -> None:
        self.forget()
        (self._folder / "tree/tree/project").mkdir(parents=True)

    def _run(self, name: str, *commands: str) -> float:
        with timed() as cost:
            for command in commands:
                shell(f"{_PSQL}\n{command}", self._folder, NAME=name, **self._env)
        return cost.seconds


def shell(command: str, folder: Path, **env: str) -> float:
    """Run a command of bash in a folder and give its seconds. Raises RuntimeError with what it said."""
    began = time.perf_counter()
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", command],
        cwd=folder, env={**os.environ, **env}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(
            f"{command.strip()[:80]} ended with {done.returncode}: {done.stderr.strip()[-500:]}"
        )
    return time.perf_counter() - began


def _s5cmd() -> str:
    beside = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    found = shutil.which("s5cmd", path=beside)
    if found is None:
        raise RuntimeError("s5cmd is missing: make setup")
    return found

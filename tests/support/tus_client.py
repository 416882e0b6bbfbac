"""Uploads a file by tuspy, as it is published. Arguments: endpoint, token, file, where to keep addresses."""

from __future__ import annotations

import sys
from contextlib import suppress

import requests
from tusclient.client import TusClient
from tusclient.exceptions import TusCommunicationError
from tusclient.storage.filestorage import FileStorage

_CHUNK = 256 * 1024
_TIMES = 10


def main(endpoint: str, token: str, file: str, stored: str, checksum: str) -> None:
    """Upload it. Where its own retries end, go on by the stored address, as a user would."""
    client = TusClient(endpoint, headers={"PRIVATE-TOKEN": token})
    for _ in range(_TIMES):
        with suppress(TusCommunicationError, requests.ConnectionError):
            client.uploader(
                file, chunk_size=_CHUNK, retries=20, retry_delay=0, upload_checksum=checksum == "yes",
                store_url=True, url_storage=FileStorage(stored),  # type: ignore[no-untyped-call]
            ).upload()  # fmt: skip
            return


if __name__ == "__main__":
    main(*sys.argv[1:])

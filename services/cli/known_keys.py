"""The public keys by which manifests are verified: given by an option, or kept at the first use of a server.

They are kept beside the profiles, in known_keys.json, and not where archives are: who can write there could
replace a key as well as an archive.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from tempfile import NamedTemporaryFile

import msgspec

from services.cli.client import GitLabClient
from services.cli.errors import JobFailed, RefusedByServer, UsageError
from services.cli.http import attempts, exchange, retry_if_transient
from services.cli.manifest_source import SignatureWrong, read_public_keys
from services.cli.profiles import config_path
from services.cli.terminal import say
from shared.manifest.format import signed_text
from shared.signing.signer import has_signed, split_keys

_LONGEST_KEYS = 64 * 1024
_LONGEST_FILE = 4 * 1024 * 1024
_UNSIGNED = "signing_off"
"""The code of the answer of a Crossdock that has no key for signatures."""


class SigningKeyChanged(JobFailed):
    """A server signs by other keys than it did before, or no longer."""

    code = "signing_key_changed"


class KnownSource(msgspec.Struct, frozen=True):
    """The keys of a server, as PEM, and since when it is known to sign."""

    since: datetime
    keys: str


@dataclass(frozen=True, slots=True)
class Trust:
    """Whose signatures count: those by ``given`` keys, if there are any, else by those known of a server."""

    given: bytes | None = None
    known: Mapping[str, KnownSource] = field(default_factory=dict)

    def knows(self, source: str) -> bool:
        """Tell whether there is a key for manifests of a server."""
        return self.given is not None or source in self.known

    def verify(self, source: str, *, time: datetime, manifest: bytes | None, signature: bytes | None) -> None:
        """Verify the signature of a manifest, which is given by its digest, and is there.

        Without a key for the server nothing is verified. What is older than a known key may be unsigned.
        Raises SignatureWrong and PublicKeyInvalid.
        """
        known = self.known.get(source)
        keys = self.given if self.given is not None or known is None else known.keys.encode()
        if keys is None:
            return
        if manifest is None or signature is None:
            if self.given is not None or (known is not None and time >= known.since):
                what = "it has no manifest" if manifest is None else "its manifest has no signature"
                raise SignatureWrong(f"{what}, and {source} signs")
        elif not has_signed(keys, signed_text(manifest), signature):
            raise SignatureWrong(f"its manifest is forged: no key that is known of {source} has signed it")


async def load_trust(public_key: str | None) -> Trust:
    """Read the keys of a file or a URL, where one is given, else those that are known.

    Raises UsageError, RefusedByServer and ServerUnreachable.
    """
    if public_key is not None:
        return Trust(await read_public_keys(public_key))
    return Trust(known=read_known_keys())


def known_keys_path() -> Path:
    """Return where the known keys are."""
    return config_path().with_name("known_keys.json")


def read_known_keys() -> dict[str, KnownSource]:
    """Read the known keys by the addresses of their servers. Raises UsageError."""
    path = known_keys_path()
    try:
        with path.open("rb") as file:
            return msgspec.json.decode(file.read(_LONGEST_FILE), type=dict[str, KnownSource])
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, msgspec.MsgspecError) as error:
        raise UsageError(f"cannot read {path}: {error}") from None


async def meet_server(client: GitLabClient, source: str, *, now: datetime) -> bytes | None:
    """Give the keys of a Crossdock, and keep them at first use; None where it does not sign.

    A new key beside a known one is kept as well. Raises SigningKeyChanged, UsageError, RefusedByServer and
    ServerUnreachable.
    """
    found, all_known = await _fetch_keys(client), read_known_keys()
    known = all_known.get(source)
    if known is None and found is not None:
        _keep_at_first_use({**all_known, source: KnownSource(now, found.decode())}, source)
    if known is None or (found is not None and found.decode() == known.keys):
        return found
    if found is None or not set(split_keys(found)) & set(split_keys(known.keys.encode())):
        what = "no longer signs" if found is None else "signs by other keys than before"
        raise SigningKeyChanged(f"{source} {what}; if that is meant, take it out of {known_keys_path()}")
    _write({**all_known, source: KnownSource(known.since, found.decode())})
    return found


def _keep_at_first_use(known: Mapping[str, KnownSource], source: str) -> None:
    """Keep the keys of one more server. Where the file cannot be written, nothing is known of it later."""
    try:
        _write(known)
    except UsageError as error:
        say(f"The keys by which {source} signs are not kept: {error}")
    else:
        say(f"The keys by which {source} signs are kept in {known_keys_path()}")


async def _fetch_keys(client: GitLabClient) -> bytes | None:
    url = f"{client.api.removesuffix('/api/v4')}/api/crossdock/v1/signing-keys"
    async for attempt in attempts(retry_if_transient):
        with attempt:
            try:
                async with exchange(client.session, "GET", url) as response:
                    return await response.content.read(_LONGEST_KEYS)
            except RefusedByServer as error:
                if error.code != _UNSIGNED:
                    raise
    return None


def _write(known: Mapping[str, KnownSource]) -> None:
    """Write the file whole or not at all. Raises UsageError."""
    path = known_keys_path()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}-", delete=False) as file:
            try:
                file.write(msgspec.json.format(msgspec.json.encode(dict(known))))
                file.flush()
                Path(file.name).replace(path)
            except BaseException:
                with suppress(OSError):
                    Path(file.name).unlink()
                raise
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error}") from None

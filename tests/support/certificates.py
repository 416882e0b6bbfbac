"""Certificates that nobody trusts who is not told to."""

from __future__ import annotations

from pathlib import Path

import trustme


def certificate(folder: Path, name: str) -> tuple[Path, Path]:
    """Make a key and a certificate for the name, which is its own authority's; gives their files.

    The second is for the server and for who trusts it: the authority's certificate is in it too.
    """
    authority = trustme.CA()
    issued = authority.issue_cert(name)
    key, cert = folder / "key.pem", folder / "cert.pem"
    issued.private_key_pem.write_to_path(key)
    for pem in (*issued.cert_chain_pems, authority.cert_pem):
        pem.write_to_path(cert, append=True)
    return key, cert

"""What to do about a server with which no encrypted connection comes about."""

from __future__ import annotations

import ssl

from aiohttp import ClientSSLError
from yarl import URL

from services.cli.errors import TlsFailed

_OTHER_NAME = {62, 64}
"""X509_V_ERR_HOSTNAME_MISMATCH and X509_V_ERR_IP_ADDRESS_MISMATCH of OpenSSL."""


def tls_failure(server: URL, error: ClientSSLError) -> TlsFailed | None:
    """Return what is wrong with the server, and what to set; None if the next attempt may end better."""
    cause, origin = error.__cause__, server.origin()
    if isinstance(cause, ssl.SSLCertVerificationError):
        if cause.verify_code in _OTHER_NAME:
            return TlsFailed(f"{origin} has a certificate for another name: {cause.verify_message}")
        return TlsFailed(
            f"{origin} has a certificate that is not trusted ({cause.verify_message}): if you trust it, set "
            "SSL_CERT_FILE to a file with the certificate of its authority"
        )
    if isinstance(cause, ssl.SSLError):
        return TlsFailed(
            f"{origin} does not speak TLS, or no version that is known here ({cause.reason}): is it http://?"
        )
    return None

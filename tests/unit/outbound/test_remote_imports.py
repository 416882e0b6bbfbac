from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from shared.outbound.remote_imports import RemoteTooLarge, check_size, remote_import_policy
from shared.settings.application import ApplicationSettings
from shared.settings.environment import Settings
from tests.support.certificates import certificate

MIB = 1024 * 1024


@pytest.mark.parametrize(
    ("limit", "text"),
    [(1, "1 MiB"), (1000, "1000 MiB"), (1500, "1.46 GiB"), (10240, "10 GiB"), (3 * 2**20, "3 TiB")],
)
def test_a_limit_is_told_as_gitlab_writes_sizes(limit: int, text: str) -> None:
    settings = ApplicationSettings(max_import_remote_file_size=limit)
    check_size(limit * MIB, settings)
    with pytest.raises(RemoteTooLarge) as raised:
        check_size(limit * MIB + 1, settings)
    assert str(raised.value) == f"Content length is too big (should be at most {text})"


def test_a_limit_of_zero_is_none() -> None:
    check_size(2**60, ApplicationSettings(max_import_remote_file_size=0))


def test_http_is_asked_only_where_the_installation_says_so() -> None:
    assert remote_import_policy(Settings()).schemes == ("https",)
    assert remote_import_policy(Settings(allow_http_remote_imports=True)).schemes == ("https", "http")


def test_certificates_of_a_file_are_trusted_beside_those_of_the_system(tmp_path: Path) -> None:
    _, cert = certificate(tmp_path, "files.test")
    assert remote_import_policy(Settings()).tls is None
    tls = remote_import_policy(Settings(remote_ca_file=cert)).tls
    assert tls is not None
    trusted = [ssl.DER_cert_to_PEM_cert(each) for each in tls.get_ca_certs(binary_form=True)]
    assert any(each in cert.read_text() for each in trusted)

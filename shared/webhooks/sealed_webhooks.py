"""URLs and secrets of webhooks: sealed in their row, and opened by the sender alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from shared.remote.masking import mask_url
from shared.sealing.errors import SecretUnreadable
from shared.sealing.sealer import SealContext, Sealer
from shared.webhooks.models import SealedUrl, Webhook

URL, SECRET = "webhook.url", "webhook.secret"
"""The purposes of what is sealed. An old secret has the purpose of the one after it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookTarget:
    """Where to send, and the secrets that sign, the newest first."""

    url: str = field(repr=False)
    secrets: Sequence[bytes] = field(repr=False)


class WebhookSealer:
    """Seals the URL and the secrets of webhooks, and opens them."""

    def __init__(self, sealer: Sealer) -> None:
        self._sealer = sealer

    def seal_url(self, url: str, *, project_id: int | None) -> SealedUrl:
        """Seal the URL of a webhook of the project, or for None of all projects."""
        sealed = self._sealer.seal(url.encode(), SealContext(URL, project_id))
        return SealedUrl(shown=mask_url(url), sealed=sealed)

    def seal_secret(self, secret: bytes, *, project_id: int | None) -> bytes:
        """Seal a secret of such a webhook."""
        return self._sealer.seal(secret, SealContext(SECRET, project_id))

    def open(self, webhook: Webhook) -> WebhookTarget:
        """Open the URL and the secrets of a webhook. Raises SecretUnreadable.

        An old secret that does not open is left out: whose key was lost is given anew, and replaces it.
        """
        owner, (newest, *older) = webhook.project_id, webhook.sealed_secrets or (b"",)
        return WebhookTarget(
            url=self._sealer.open(webhook.url.sealed, SealContext(URL, owner)).decode(),
            secrets=[
                self._sealer.open(newest, SealContext(SECRET, owner)),
                *self._readable(older, SealContext(SECRET, owner)),
            ],
        )

    def _readable(self, sealed: Sequence[bytes], context: SealContext) -> Iterator[bytes]:
        for each in sealed:
            with suppress(SecretUnreadable):
                yield self._sealer.open(each, context)

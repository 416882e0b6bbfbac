"""The address of a server's API with a token: one text, so that an order seals and opens both at once.

It is a URL whose user is the token: ``https://ghp_...@api.github.com``.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from yarl import URL


@dataclass(frozen=True, slots=True)
class ApiAddress:
    """Where the API of a server is, and the token to ask it with."""

    api: URL
    token: str = field(repr=False)

    def write(self) -> str:
        """Give the address as one text, which is a secret."""
        return str(self.api.with_user(self.token))

    @staticmethod
    def read(address: str) -> ApiAddress:
        """Read what ``write`` gave."""
        url = URL(address)
        return ApiAddress(url.with_user(None), url.user or "")

"""An Enterprise Server for tests that services in processes of their own may ask, as it speaks TLS."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.git_http import GitHttp
from tests.support.github.cloned import cloned_everything
from tests.support.github.description import Description
from tests.support.github.github import TOKEN, GitHub
from tests.support.github.repositories import Repository
from tests.support.remote import Servers
from tests.support.tls_front import server_context


@dataclass(frozen=True, slots=True)
class Hub:
    """A GitHub with octo/everything, and git beside it."""

    github: GitHub
    repository: Repository
    token: str = TOKEN

    @property
    def address(self) -> str:
        """Where its web site is."""
        return self.github.site.web

    @property
    def number(self) -> int:
        """The number of its repository."""
        return self.repository.stamp.id

    def asking(self, namespace: str, **more: object) -> dict[str, object]:
        """The parameters of an import into a namespace."""
        return {
            "personal_access_token": self.token,
            "repo_id": self.number,
            "target_namespace": namespace,
            "github_hostname": self.address,
        } | more


@asynccontextmanager
async def served_hub(description: Description, keys: tuple[Path, Path], folder: Path) -> AsyncIterator[Hub]:
    """Serve one, whose certificate is that of localhost."""
    tls = server_context(keys)
    github = GitHub(description, enterprise="localhost", tls=tls)
    async with github.serve(), AsyncExitStack() as stack:
        port = await Servers(stack).http(GitHttp(folder, token=TOKEN).handle, host="127.0.0.1", tls=tls)
        github.git = f"https://localhost:{port}"
        yield Hub(github, cloned_everything(github, folder))

"""How people name a repository of a GitHub: by its name, by an address of it, or by its number."""

from __future__ import annotations

import re
from dataclasses import dataclass

from yarl import URL

from shared.github.client import GITHUB_HOSTS

_NAME = re.compile(r"[\w-]{1,100}/(?!\.\.?$)[\w.-]{1,100}", re.ASCII)
_NUMBER = re.compile(r"[0-9]{1,18}")
_OF_SSH = re.compile(r"git@([\w.-]+):(.+)", re.ASCII)
_LONGEST = 2048


@dataclass(frozen=True, slots=True)
class RepositoryReference:
    """A repository, by ``owner/repo`` or by its number.

    ``site`` is the web site of its GitHub where an address named one, and None for github.com.
    """

    repository: int | str
    site: str | None = None
    has_address: bool = False

    def may_be_at(self, hub: str) -> bool:
        """Tell whether it may be at the GitHub with this web site: a name or a number is at any."""
        if not self.has_address:
            return True
        other = _read_address(f"{hub.rstrip('/')}/owner/repo")
        return other is not None and other.site == self.site


def read_reference(text: str) -> RepositoryReference | None:
    """Read ``owner/repo``, an address such as browsers and git show, or a number; None for anything else."""
    given = text.strip()
    if len(given) > _LONGEST:
        return None
    if _NUMBER.fullmatch(given):
        return RepositoryReference(int(given))
    if _NAME.fullmatch(name := _without_suffix(given)):
        return RepositoryReference(name)
    return _read_address(_OF_SSH.sub(r"https://\1/\2", given))


def _read_address(given: str) -> RepositoryReference | None:
    if "://" not in given:
        if "." not in given.partition("/")[0]:
            return None  # a path such as group/subgroup/project, whose first name is no host
        given = f"https://{given}"
    try:
        url = URL(given)
    except ValueError:
        return None
    name = _without_suffix("/".join(url.path.split("/")[1:3]))
    has_credentials = url.raw_user is not None or url.raw_password is not None
    if url.scheme not in ("http", "https") or not url.host or has_credentials or not _NAME.fullmatch(name):
        return None
    site = None if url.host in GITHUB_HOSTS else str(url.origin())
    return RepositoryReference(name, site, has_address=True)


def _without_suffix(name: str) -> str:
    """Give a name without what addresses for git end in, and no name at GitHub does."""
    return name.removesuffix(".git")

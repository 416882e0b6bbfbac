from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr

from services.process import ports
from services.process.ports import make_sealer, open_ports, require_keys
from services.standalone.secrets_key import standalone_sealer
from shared.database.check import DatabaseDown
from shared.database.pool import database
from shared.sealing.canary import check_keys, renew_canary
from shared.sealing.errors import SecretsKeyInvalid, SecretsKeyWrong
from shared.sealing.kept_keys import OBJECT, read_or_make_keys
from shared.sealing.keys import parse_keys
from shared.settings.environment import Settings
from shared.storage.filesystem import FilesystemStore
from tests.support.objects import keys
from tests.support.sealing import KEY, OTHER_KEY, sealer

NOWHERE = "postgresql://nobody@127.0.0.1:1/none"


def settings(key: str | None, database_url: str = NOWHERE) -> Settings:
    return Settings(secrets_key=None if key is None else SecretStr(key), database_url=SecretStr(database_url))


async def test_a_database_takes_its_first_key_and_no_other(database_url: str) -> None:
    async with database(database_url) as pool:
        await asyncio.gather(*(check_keys(pool, sealer()) for _ in range(4)))
        with pytest.raises(SecretsKeyWrong, match=f"lacks the key {sealer().key_ids[0]}"):
            await check_keys(pool, sealer(OTHER_KEY))
        await check_keys(pool, sealer(OTHER_KEY, KEY))


async def test_a_renewed_canary_needs_the_old_key_no_more(database_url: str) -> None:
    async with database(database_url) as pool:
        await check_keys(pool, sealer())
        assert await renew_canary(pool, sealer(OTHER_KEY, KEY)) == sealer().key_ids[0]
        await check_keys(pool, sealer(OTHER_KEY))
        with pytest.raises(SecretsKeyWrong):
            await check_keys(pool, sealer())


async def test_the_distributed_form_does_not_start_with_what_is_no_key() -> None:
    with pytest.raises(SecretsKeyInvalid):
        async with open_ports(settings("x")):
            pass


async def test_services_without_a_key_that_start_at_once_keep_one_in_the_store(
    database_url: str, tmp_path: Path
) -> None:
    store = FilesystemStore(tmp_path)
    async with database(database_url) as pool:
        made = await asyncio.gather(*(read_or_make_keys(pool, store) for _ in range(4)))
        assert len(set(made)) == 1
        assert len(parse_keys(made[0])) == 1
        assert await read_or_make_keys(pool, store) == made[0]
    assert await keys(store) == [OBJECT]


async def test_a_service_that_finds_no_schema_says_how_to_make_it(
    empty_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ports, "PATIENCE", timedelta(milliseconds=1))
    async with open_ports(settings(KEY, empty_database_url)) as opened:
        with pytest.raises(DatabaseDown, match="run crossdock migrate"):
            await require_keys(opened)


def test_a_standalone_makes_a_key_of_its_own_that_nobody_else_may_read(tmp_path: Path) -> None:
    made = standalone_sealer(Settings(), tmp_path / "data")
    (file,) = (tmp_path / "data").iterdir()
    assert file.stat().st_mode & 0o777 == 0o600
    assert standalone_sealer(Settings(), tmp_path / "data").key_ids == made.key_ids
    assert make_sealer(settings(file.read_text())).key_ids == made.key_ids


def test_a_key_in_the_settings_of_a_standalone_wins_over_its_file(tmp_path: Path) -> None:
    made = standalone_sealer(Settings(), tmp_path)
    assert standalone_sealer(settings(KEY), tmp_path).key_ids == sealer().key_ids
    assert standalone_sealer(Settings(), tmp_path).key_ids == made.key_ids

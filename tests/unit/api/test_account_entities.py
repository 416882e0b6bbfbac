from __future__ import annotations

from datetime import UTC, datetime

from services.api.gitlab.account_entities import token_entity
from shared.accounts.models import AccessToken, User

LONG_AGO = datetime(183, 9, 5, tzinfo=UTC)


def test_a_day_has_four_digits_of_its_year() -> None:
    user = User(
        id=1,
        username="ann",
        name="Ann",
        email=None,
        is_admin=False,
        bot=False,
        projects_limit=7,
        created_at=LONG_AGO,
    )
    token = AccessToken(
        id=1, user=user, name="old", scopes=("api",), created_at=LONG_AGO, expires_at=LONG_AGO, expired=True,
        revoked=False,
    )  # fmt: skip

    assert token_entity(token)["expires_at"] == "0183-09-05"

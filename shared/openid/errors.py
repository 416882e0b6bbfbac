"""Why nobody is signed in by OpenID Connect. No message has a code, a token or a secret."""

from __future__ import annotations

from shared.errors import Denied, Invalid, Missing, Unavailable


class OpenIdOff(Missing):
    """No provider of OpenID Connect is configured."""

    code = "openid_off"

    def __init__(self) -> None:
        super().__init__("Signing in by OpenID Connect is not configured here.")


class ProviderAway(Unavailable):
    """The provider cannot be reached, is slow, or does not answer as OpenID Connect says."""

    code = "openid_provider_away"
    sentence = "The provider does not answer as it should now. Try again later, or sign in with a token."


class SignInStale(Invalid):
    """The answer belongs to no sign-in of this browser: it is over, was used, or was begun elsewhere."""

    code = "openid_sign_in_stale"

    def __init__(self) -> None:
        super().__init__("This sign-in was not begun by this browser, or it is over. Begin it again.")


class ProviderRefused(Denied):
    """The provider does not sign the user in, or does not accept the code."""

    code = "openid_provider_refused"

    def __init__(self, reason: str) -> None:
        super().__init__(f"The provider does not sign you in: {reason}.")


class IdTokenRefused(Denied):
    """What the provider says of the user cannot be believed: signature, issuer, audience, time or nonce."""

    code = "openid_id_token_refused"

    def __init__(self, reason: str) -> None:
        super().__init__(f"What the provider says of you cannot be believed: {reason}.")


class UserNotKnown(Denied):
    """The provider knows the user, and no user of Crossdock belongs to that; none is created."""

    code = "openid_user_unknown"

    def __init__(self) -> None:
        super().__init__("No user here belongs to your account at the provider. Ask an administrator.")

"""Signing in once, to see whether Google accepts the credentials."""

from functools import partial

from collect_pipelines.destinations.google_sheets.account.credentials import Account, account_of
from collect_pipelines.destinations.google_sheets.wire.calls import about_client
from collect_pipelines.destinations.google_sheets.wire.problems import Explainer
from collect_pipelines.errors import TryLater

__all__ = ["sign_in"]

TIMEOUT_SECONDS = 20.0  # a person waits before the terminal


def sign_in(text: str, token_url: str) -> Account:
    """The account behind the credentials, after Google gave it a token. Raises Blocked with the reason, TryLater when Google is away."""
    from google.auth import exceptions as auth
    from google.auth.transport.requests import Request

    account = account_of(text, token_url)
    explain = Explainer("", account.who, account.kind)
    try:
        account.credentials.refresh(partial(Request(), timeout=TIMEOUT_SECONDS))  # type: ignore[no-untyped-call]
    except auth.RefreshError as exc:
        # `from None`: what google-auth says may quote the request (promise 10)
        if exc.retryable:
            raise TryLater("Google's sign-in failed for the moment.") from None
        raise (explain.client_refused() if about_client(exc) else explain.reconnect()) from None
    except auth.GoogleAuthError:
        raise TryLater("Google can't be reached.") from None
    return account

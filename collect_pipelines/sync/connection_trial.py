"""Trying a connected account: Google is asked for a token, and what it says is kept."""

from dataclasses import dataclass

from collect_pipelines.errors import Blocked
from collect_pipelines.model import RECONNECT_NEEDED
from collect_pipelines.settings import Settings
from collect_pipelines.store.connections import ConnectedAccount, connect_command, find_connection, mark_refused, mark_working
from collect_pipelines.store.database import Database
from collect_pipelines.store.organizations import organization_id_of
from collect_pipelines.store.secret_texts import credentials_of

__all__ = ["TriedAccount", "try_connection"]


@dataclass(frozen=True, slots=True)
class TriedAccount:
    """Google accepts the credentials."""

    connection: ConnectedAccount
    resumed: tuple[str, ...]
    """Integrations that were blocked because of the connection and go on now."""


def try_connection(database: Database, settings: Settings, organization: str, name: str) -> TriedAccount:
    """
    Signs in with the connection's credentials; a connection that was refused and works again is put back to work.

    Raises NotFound, ConfigInvalid when the key file can't open it, Blocked when Google refuses it, TryLater when Google is away.
    """
    from collect_pipelines.destinations.google_sheets.account.sign_in import sign_in

    with database.begin() as connection:
        owner = organization_id_of(connection, organization)
        found = find_connection(connection, owner, name)
        text = credentials_of(connection, settings, owner, found)
    try:
        sign_in(text, settings.oauth_token_url or f"{settings.local_sheets_url}/token")
    except Blocked as exc:
        if exc.problem != RECONNECT_NEEDED:
            raise
        with database.begin() as connection:
            mark_refused(connection, owner, name, found.changed_at, exc.message)
        raise Blocked(exc.message, fix=f"Connect again: {connect_command(name, organization, found.kind)}", problem=exc.problem) from None
    with database.begin() as connection:
        resumed = mark_working(connection, owner, name)
        return TriedAccount(find_connection(connection, owner, name), tuple(resumed))

"""One account at one spreadsheet: opening it, proving access, and the order in which a batch is written."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from collect_pipelines.destinations.google_sheets.account.credentials import Account, account_of
from collect_pipelines.destinations.google_sheets.content.tables import tables_of
from collect_pipelines.destinations.google_sheets.files.spreadsheet import find_or_create
from collect_pipelines.destinations.google_sheets.tab.book import Book
from collect_pipelines.destinations.google_sheets.tab.proof import prove
from collect_pipelines.destinations.google_sheets.wire.calls import Api, connect
from collect_pipelines.destinations.google_sheets.wire.problems import Explainer
from collect_pipelines.destinations.google_sheets.wire.quota import Tokens
from collect_pipelines.destinations.google_sheets.writing import Writing
from collect_pipelines.destinations.interface import Batch, Context, Delivery, ProbeReport
from collect_pipelines.errors import Blocked

if TYPE_CHECKING:
    from collect_pipelines.destinations.google_sheets.destination import GoogleSheetsConfig

__all__ = ["Session", "open_session"]

GOOGLE = "googleapis.com"


@dataclass
class Session:
    """Kept by the destination between batches, for its connections; everything else is read anew each time."""

    config: "GoogleSheetsConfig"
    context: Context
    account: Account
    api: Api
    now: Callable[[], float]

    def deliver(self, batch: Batch) -> Delivery:
        """
        Writes the batch: new rows under their markers first, then edits, which can be repeated at will.

        A retry takes the same way again and finds what is done already. Raises Refused when Google takes no row of it.
        """
        calls, sent = self.api.http.calls, self.api.http.sent_bytes
        title = batch.form_title if self.config.spreadsheet is None else None
        writing = Writing(self._books(batch.form_title), tables_of(batch, title=self.config.tab), batch, self.now)
        outcomes = writing.write(own_file_title=title)
        return Delivery(outcomes, api_calls=self.api.http.calls - calls, sent_bytes=self.api.http.sent_bytes - sent)

    def probe(self, title: str) -> ProbeReport:
        """Proves access by reading and writing; raises Blocked naming what is missing."""
        return prove(self._books(title)[-1])

    def close(self) -> None:
        """Closes the connections."""
        self.api.http.session.close()

    def _books(self, title: str) -> list[Book]:
        """The spreadsheets of the integration, oldest first; the last one takes new rows."""
        spreadsheet = self.config.spreadsheet or find_or_create(self.context, self.api, self.account, title, self.now)
        return [Book.open(self.context, self.api, spreadsheet)]


def open_session(config: "GoogleSheetsConfig", context: Context, now: Callable[[], float], kept: Session | None) -> Session:
    """The session for the credentials as they are now: `kept` while they have not changed. Sends nothing."""
    sheets_url, token_url = context.setting("sheets_base_url"), context.setting("oauth_token_url")
    account = account_of(_credentials(config, context, sheets_url), token_url)
    if kept is not None and kept.account is account:
        return kept
    if kept is not None:
        kept.close()
    tokens = Tokens(
        context,
        account.project,
        account.key,
        per_account=int(context.setting("sheets_writes_per_minute")),
        per_project=int(context.setting("sheets_project_writes_per_minute")),
        clock=now,
    )
    explain = Explainer(context.integration, account.who, account.kind)
    api = connect(
        account, sheets_url=sheets_url, drive_url=context.setting("drive_base_url"), tokens=tokens, explain=explain, guard=context.guard
    )
    return Session(config, context, account, api, now)


def _credentials(config: Any, context: Context, sheets_url: str) -> str:
    if config.credentials is not None:
        return context.secret(config.credentials)
    if (urlsplit(sheets_url).hostname or "").endswith(GOOGLE):
        raise Blocked(
            "No credentials are configured for Google.",
            fix="Set `credentials` in the integration's configuration, e.g. file:/etc/collect/service-account.json: "
            "docs/destinations/google_sheets.md.",
        )
    return context.secret(f"file:{context.setting('local_sheets_credentials')}")

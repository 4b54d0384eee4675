"""One account at one spreadsheet: opening it, proving access, and the order in which a batch is written."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from collect_pipelines.destinations.google_sheets.account.credentials import Account, account_of
from collect_pipelines.destinations.google_sheets.content.tables import MAIN, tables_of
from collect_pipelines.destinations.google_sheets.files.shelf import Shelf
from collect_pipelines.destinations.google_sheets.files.succession import Source
from collect_pipelines.destinations.google_sheets.reading import Copies, read_back, remove_copies
from collect_pipelines.destinations.google_sheets.tab.proof import prove
from collect_pipelines.destinations.google_sheets.wire.calls import Api, connect
from collect_pipelines.destinations.google_sheets.wire.codes import NO_CREDENTIALS
from collect_pipelines.destinations.google_sheets.wire.problems import Explainer
from collect_pipelines.destinations.google_sheets.wire.quota import Payer, Tokens
from collect_pipelines.destinations.google_sheets.writing import Writing
from collect_pipelines.destinations.interface import Batch, Context, Delivery, Held, ProbeReport
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
    accounts: dict[str, Account]
    """By the reference to its credentials; the first one owns what is created."""
    api: Api
    now: Callable[[], float]

    def deliver(self, batch: Batch) -> Delivery:
        """
        Writes the batch: new rows under their markers first, then edits, which can be repeated at will.

        A retry takes the same way again and finds what is done already. Raises Refused when Google takes no row of it.
        """
        calls, sent = self.api.http.calls, self.api.http.sent_bytes
        # what was reserved and not needed is for others
        with self.api.http.tokens.sequence():
            shelf = self._shelf(batch.form_title)
            kept = {name for book in shelf.books for name in book.memory.tab(MAIN).bound}
            tables = tables_of(batch, title=self.config.tab, choices=self.config.choices, kept=kept)
            writing = Writing(shelf, tables, batch, self.now, self.config.deleted_rows)
            outcomes = writing.write()
        spent = {"api_calls": self.api.http.calls - calls, "sent_bytes": self.api.http.sent_bytes - sent}
        return Delivery(outcomes, **spent, notices=writing.notices())

    def probe(self, title: str) -> ProbeReport:
        """Proves access by reading and writing; raises Blocked naming what is missing."""
        found = []
        for payer in range(len(self.accounts)):
            # each of them has to be an editor: any may be the next to write
            with self.api.http.tokens.paid_by(payer):
                found.append(prove(self._shelf(title).books[-1]))
        return found[0]

    def read_back(self) -> Iterator[list[Held]]:
        """What the spreadsheets hold, in chunks. See `reading.read_back`."""
        return read_back(self._shelf("").known)

    def remove_copies(self, copies: Copies) -> int:
        """Takes away rows that are there twice. See `reading.remove_copies`."""
        with self.api.http.tokens.sequence():
            return remove_copies(self._shelf("").known, copies, self.now)

    def close(self) -> None:
        """Closes the connections."""
        self.api.http.close()

    def _shelf(self, title: str) -> Shelf:
        config = self.config
        following = config.next_spreadsheets
        owner = next(iter(self.accounts.values()))
        source = Source(self.context, self.api, owner, config.spreadsheet, following, config.folder, title, self.now)
        return Shelf(self.context, self.api, source, int(self.context.setting("sheets_cells_per_spreadsheet")))


def open_session(config: "GoogleSheetsConfig", context: Context, now: Callable[[], float], kept: Session | None) -> Session:
    """The session for the credentials as they are now: `kept` while they have not changed. Sends nothing."""
    sheets_url, token_url = context.setting("sheets_base_url"), context.setting("oauth_token_url")
    accounts = _accounts(config, context, sheets_url, token_url)
    if kept is not None and [id(one) for one in kept.accounts.values()] == [id(one) for one in accounts.values()]:
        return kept
    if kept is not None:
        kept.close()
    tokens = Tokens(
        context,
        [Payer(one.project, one.key) for one in accounts.values()],
        per_account=int(context.setting("sheets_writes_per_minute")),
        per_project=int(context.setting("sheets_project_writes_per_minute")),
        clock=now,
    )
    told = [(one, _explainer(context, reference, one)) for reference, one in accounts.items()]
    api = connect(told, sheets_url=sheets_url, drive_url=context.setting("drive_base_url"), tokens=tokens, guard=context.guard)
    return Session(config, context, accounts, api, now)


def _explainer(context: Context, reference: str, account: Account) -> Explainer:
    return Explainer(context.integration, account.who, account.kind, lambda reason: context.secret_refused(reference, reason))


def _accounts(config: Any, context: Context, sheets_url: str, token_url: str) -> dict[str, Account]:
    """By the reference to its credentials; those of the local server have none."""
    if config.credentials is None:
        return {"": account_of(_local_credentials(context, sheets_url), token_url)}
    references = (config.credentials,) if isinstance(config.credentials, str) else config.credentials
    return {reference: account_of(context.secret(reference), token_url) for reference in references}


def _local_credentials(context: Context, sheets_url: str) -> str:
    if (urlsplit(sheets_url).hostname or "").endswith(GOOGLE):
        raise Blocked(
            "No credentials are configured for Google.",
            fix="Set `credentials` in the integration's configuration, e.g. file:/etc/collect/service-account.json: "
            "docs/destinations/google_sheets.md.",
            problem=NO_CREDENTIALS,
        )
    return context.secret(f"file:{context.setting('local_sheets_credentials')}")

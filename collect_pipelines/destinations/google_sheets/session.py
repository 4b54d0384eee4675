"""One account at one spreadsheet: opening it, proving access, and the order in which a batch is written."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from collect_pipelines.destinations.google_sheets.account.credentials import Account, account_of
from collect_pipelines.destinations.google_sheets.content.rows import marks_of, parts, rows_of, sheet_columns
from collect_pipelines.destinations.google_sheets.editing.editor import NOTHING, Editor
from collect_pipelines.destinations.google_sheets.files.spreadsheet import find_or_create
from collect_pipelines.destinations.google_sheets.landing.appending import Appender
from collect_pipelines.destinations.google_sheets.landing.refusals import Refusals
from collect_pipelines.destinations.google_sheets.tab.memory import Memory, Numbers
from collect_pipelines.destinations.google_sheets.tab.proof import prove
from collect_pipelines.destinations.google_sheets.tab.tab import Tab, sanitized
from collect_pipelines.destinations.google_sheets.wire.calls import Api, connect
from collect_pipelines.destinations.google_sheets.wire.problems import Explainer
from collect_pipelines.destinations.google_sheets.wire.quota import Tokens
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
        columns, rows = sheet_columns(batch), rows_of(batch)
        names = [column.name for column in columns]
        changes = any(not row.fresh for row in rows)
        tab = self._tab(batch.form_title)
        own_title = batch.form_title if self.config.spreadsheet is None else None
        tab.prepare(sanitized(self.config.tab or batch.form_title), columns, own_file_title=own_title)
        tab.require_unique_ids()
        self.api.http.tokens.reserve(reads=5 if changes else 1, writes=3 if changes else 1)
        layout = tab.layout()
        editor = Editor(tab, names, self.now)
        found = editor.find() if changes else NOTHING
        appender = Appender(tab, editor, batch, columns, self.now)
        refusals = Refusals(len(rows))
        for number, part in enumerate(parts(rows), 1):
            new = [row for row in part if row.fresh or (row.response_id not in found.places and not row.deleted)]
            if new or (number == 1 and appender.new_columns(layout)):
                with refusals.of(new):
                    layout = appender.append(number, new, layout)
        appender.finish()
        known = [(found.places[row.response_id], row) for row in rows if not row.fresh and row.response_id in found.places]
        # a replay also writes what stands there as it should be: for cells that somebody changed, and after the mapping was
        anew = batch.purpose == "replay"
        edits = {place.index: row for place, row in known if place.revision < row.revision + anew}
        with refusals.of(list(edits.values())):
            editor.edit(edits, found.width, anew=anew)
        outcomes = refusals.outcomes(marks_of(batch))
        return Delivery(outcomes, api_calls=self.api.http.calls - calls, sent_bytes=self.api.http.sent_bytes - sent)

    def probe(self, title: str) -> ProbeReport:
        """Proves access by reading and writing; raises Blocked naming what is missing."""
        return prove(self._tab(title))

    def close(self) -> None:
        """Closes the connections."""
        self.api.http.session.close()

    def _tab(self, title: str) -> Tab:
        spreadsheet = self.config.spreadsheet or find_or_create(self.context, self.api, self.account, title, self.now)
        memory = Memory.recall(self.context, spreadsheet)
        return Tab(self.context, self.api, spreadsheet, memory, Numbers(self.context, spreadsheet))


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

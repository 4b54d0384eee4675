"""What Google, the network and the token endpoint say, told as what to do next: later, by a person, or never."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from collect_pipelines.destinations.google_sheets.wire.codes import (
    API_DISABLED,
    FILE_FULL,
    FOREIGN_MARKS,
    ID_COLUMN_DELETED,
    IDS_REPEAT,
    NO_CREDENTIALS,
    NOT_AN_API,
    NOT_FOUND,
    NOT_SHARED,
    PROTECTED_RANGE,
    RECONNECT_NEEDED,
    SCOPES,
    STORAGE_QUOTA,
    TAB_DELETED,
    VIEW_ONLY,
)
from collect_pipelines.errors import Blocked, DeliveryError, Refused, TryLater

__all__ = ["BadRequest", "CallKind", "Explainer", "FileFull", "Placed", "TabMissing", "foreign", "ids_repeat"]

CallKind = Literal["read", "write", "drive"]

BUDGET_SECONDS = 60.0  # markers age by the minute, so room for metadata comes back by the minute
RACE_SECONDS = 1.0  # a person changed the sheet under our hands; a moment later it is read anew

_PLACE = re.compile(r"Invalid requests\[(\d+)\]\.(\w+): ")
_FIELD = re.compile(r"Invalid value at '([\w.\[\]]+)'")
_RACES = ("beyond the last requested", "is outside the grid", "exceeds grid limits", "No developer metadata matched", ".insertDimension: ")
_NO_TAB = re.compile(r"No (?:grid|sheet) with id")


class BadRequest(Refused):
    """Google refused a request of the call as it is; nothing of the call was applied."""

    def __init__(self, text: str) -> None:
        """`text` is Google's; it may quote an answer, so only the place in it is shown."""
        place = _PLACE.match(text)
        self.index = int(place[1]) if place else None
        self.kind = place[2] if place else None
        self.text = text
        field = _FIELD.search(text)
        shown = f"requests[{self.index}].{self.kind}" if place else field[1] if field else "the request"
        super().__init__(f"Google Sheets refused {shown} as not valid (400).")

    @property
    def already_exists(self) -> bool:
        """The id, or the title, that the request wanted to create is there already."""
        return "already exists" in self.text


class Placed(Blocked):
    """A person is needed because of one request of a call; nothing of the call was applied."""

    index: int | None = None
    """Of the request, when Google names it."""


class TabMissing(Placed):
    """The tab, or what marks it as ours, is gone."""


class FileFull(Placed):
    """The spreadsheet can't have more cells or tabs: nothing of the call was applied, nor will be."""


@dataclass(frozen=True)
class Explainer:
    """Knows whom the errors are about."""

    integration: str
    who: str
    """Address of the Google account, as far as it is known."""
    kind: str
    refused: Callable[[str], str | None] = lambda reason: None
    """Told that the credentials are dead; answers what a person has to do, if the core knows."""

    @property
    def resume(self) -> str:
        """How to go on after the repair."""
        return f"then run `collect integrations resume {self.integration}`"

    def answer(self, status: int, document: Any, call: CallKind, *, could_read: bool) -> DeliveryError:
        """
        The error for an HTTP answer that is no success.

        document: the JSON body, None when it is none. could_read: an earlier read of the same file succeeded.
        """
        error = document.get("error") if isinstance(document, Mapping) else None
        if not isinstance(error, Mapping):
            return self._not_an_api(status, call)
        text = str(error.get("message", ""))
        if status == 429 or _drive_reason(error) in ("userRateLimitExceeded", "rateLimitExceeded"):
            return TryLater("Google's quota is used up for this minute.")  # refused at the door: never applied
        if status >= 500 or status in (408, 409):
            return TryLater(f"Google answered {status}.", unknown=call != "read")
        if status == 400:
            problem = self._bad_request(text)
            if isinstance(problem, Placed) and (place := _PLACE.match(text)):
                problem.index = int(place[1])
            return problem
        if status == 401:
            return self.reconnect()
        if status == 403:
            return self._forbidden(error, text, may_view=could_read and call == "write")
        if status == 404:
            return Blocked(
                "Google knows no spreadsheet with this id, or does not show it to this account.",
                fix=f"Compare `spreadsheet` with the address in the browser, and share the file with {self.who} as Editor; {self.resume}.",
                problem=NOT_FOUND,
            )
        return Refused(f"Google answered {status}.")

    def unreachable(self, call: CallKind, *, sent: bool) -> TryLater:
        """The connection failed. `sent`: Google may have received the call."""
        text = "The connection to Google was lost before the answer came." if sent else "Google can't be reached."
        return TryLater(text, unknown=sent and call != "read")

    def garbled(self, call: CallKind) -> TryLater:
        """A success whose body can't be read."""
        return TryLater("Google's answer could not be read.", unknown=call != "read")

    def reconnect(self) -> Blocked:
        """The refresh token or key is dead: no retry can help. Others that use the same connection are told."""
        reason = f"Reconnect needed: Google no longer accepts the credentials of {self.who}. The backlog is kept."
        if (known := self.refused(reason)) is not None:
            return Blocked(reason, fix=known, problem=RECONNECT_NEEDED)
        if self.kind == "service_account":
            fix = "Create a new key for the service account and put it where the integration's `credentials` point"
        else:
            fix = "Connect again: obtain new credentials for the account and put them where the integration's `credentials` point"
        return Blocked(reason, fix=f"{fix}; {self.resume}.", problem=RECONNECT_NEEDED)

    def client_refused(self) -> Blocked:
        """Google does not know the OAuth client, or not with this secret: connecting again would not help."""
        return Blocked(
            "Google does not accept the OAuth client of this installation.",
            fix=f"Compare COLLECT_GOOGLE_OAUTH_CLIENT with Google Cloud > Clients: docs/google-connect.md; {self.resume}.",
            problem=NO_CREDENTIALS,
        )

    def tab_missing(self) -> TabMissing:
        """People can delete a tab, and with it every mark of what was delivered: never refill it in silence."""
        return TabMissing(
            "The tab this integration writes into was deleted, or the marks that make it ours were removed.",
            fix="Restore it in Google Sheets (File > Version history) and resume; or add a new integration: it writes all responses anew.",
            problem=TAB_DELETED,
        )

    def column_missing(self, header: str) -> Blocked:
        """Without the id column no edit could find its row."""
        return Blocked(
            f"The column {header} was deleted; without it an edited response can't be found.",
            fix=f"Undo the deletion in Google Sheets (File > Version history); {self.resume}. Hiding the column is fine.",
            problem=ID_COLUMN_DELETED,
        )

    def _not_an_api(self, status: int, call: CallKind) -> DeliveryError:
        if status >= 500 or status in (408, 429):
            return TryLater(f"Google answered {status}.", unknown=status != 429 and call != "read")
        return Blocked(
            f"What answers under the Sheets base URL is not the Sheets API (status {status}).",
            fix="Correct COLLECT_SHEETS_BASE_URL and COLLECT_DRIVE_BASE_URL, or unset them to use the local Sheets server.",
            problem=NOT_AN_API,
        )

    def _bad_request(self, text: str) -> DeliveryError:
        if "protected cell or object" in text:
            return Placed(
                "A protected range keeps this integration from writing.",
                fix=f"In Google Sheets, Data > Protect sheets and ranges: let {self.who} edit, or remove the protection; {self.resume}.",
                problem=PROTECTED_RANGE,
            )
        if "number of cells in the workbook above the limit" in text:
            return self.file_full()
        if "exceed the allowed storage limit" in text:
            return TryLater("The tab's room for our marks is used up for the moment.", after=BUDGET_SECONDS)
        if _NO_TAB.search(text):
            return self.tab_missing()
        if ".deleteDeveloperMetadata: " in text:
            return BadRequest(text)  # a mark that is gone already: nobody waits for that, see landing/leftovers
        if any(part in text for part in _RACES):
            return TryLater("Somebody rearranged the sheet at this moment.", after=RACE_SECONDS)
        return BadRequest(text)

    def _forbidden(self, error: Mapping[str, Any], text: str, *, may_view: bool) -> Blocked:
        reasons = {str(one.get("reason")) for one in error.get("details", []) if isinstance(one, Mapping)} | {_drive_reason(error)}
        if reasons & {"SERVICE_DISABLED", "accessNotConfigured"}:
            return Blocked(
                "The Google Sheets API or the Google Drive API is not enabled in the project of these credentials.",
                fix=f"Enable both in the Google Cloud console (APIs & Services > Library), wait a few minutes; {self.resume}.",
                problem=API_DISABLED,
            )
        if reasons & {"ACCESS_TOKEN_SCOPE_INSUFFICIENT", "insufficientPermissions"}:
            return Blocked(
                f"{self.who} granted too little: reading and writing spreadsheets is needed.",
                fix=f"Connect again and grant access to Google Sheets and to files created by this app; {self.resume}.",
                problem=SCOPES,
            )
        if "storageQuotaExceeded" in reasons or "storage quota" in text:
            return self.owns_nothing()
        if may_view:
            return Blocked(
                f"{self.who} may view the spreadsheet but not edit it.",
                fix=f"In Google Sheets, Share: make {self.who} an Editor; {self.resume}.",
                problem=VIEW_ONLY,
            )
        return Blocked(
            f"The spreadsheet is not shared with {self.who}.",
            fix=f"In Google Sheets, Share: add {self.who} as Editor; {self.resume}.",
            problem=NOT_SHARED,
        )

    def file_full(self) -> FileFull:
        """No room, and no next spreadsheet."""
        return FileFull(
            "The spreadsheet is full: it can't have more cells (10,000,000 at Google, empty ones count).",
            fix=f"Create a spreadsheet, share it with {self.who} as Editor and run `collect integrations set {self.integration} "
            f"--set next_spreadsheets=ADDRESS`, {self.resume}; or delete unused tabs, rows or columns and resume.",
            problem=FILE_FULL,
        )

    def owns_nothing(self) -> Blocked:
        """Service accounts have had no Drive storage since 2025."""
        return Blocked(
            f"{self.who} can't create a spreadsheet: a service account has no storage of its own, or the account's storage is full.",
            fix=f"Create a spreadsheet yourself, share it with {self.who} as Editor, and set `spreadsheet` for the integration.",
            problem=STORAGE_QUOTA,
        )


def foreign() -> Blocked:
    """An id of ours is taken by something we did not write: the numbers of this database and the spreadsheet don't belong together."""
    return Blocked(
        "The spreadsheet holds marks that this database did not write: the database was restored from a backup, "
        "or another installation writes into the same spreadsheet.",
        fix="Add an integration with a new spreadsheet (all responses are written into it), or delete the tab of the other installation.",
        problem=FOREIGN_MARKS,
    )


def ids_repeat() -> Blocked:
    """Seen by the connect probe; nothing was delivered."""
    return Blocked(
        "This Sheets server takes the same metadata id twice, so a batch whose answer is lost could be written twice.",
        fix="Point COLLECT_SHEETS_BASE_URL at Google or at the local Sheets server.",
        problem=IDS_REPEAT,
    )


def _drive_reason(error: Mapping[str, Any]) -> str:
    errors = error.get("errors")
    return str(errors[0].get("reason")) if isinstance(errors, list) and errors and isinstance(errors[0], Mapping) else ""

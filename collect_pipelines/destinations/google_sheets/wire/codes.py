"""Every problem and notice of this destination by its code, with what a person should know about it."""

from collect_pipelines.destinations.interface import KnownProblem

__all__ = [
    "API_DISABLED",
    "CELLS_TRUNCATED",
    "COLUMN_DELETED",
    "FILE_FILLING",
    "FILE_FULL",
    "FOREIGN_MARKS",
    "IDS_REPEAT",
    "ID_COLUMN_DELETED",
    "MARKS_FILLING",
    "NOT_AN_API",
    "NOT_FOUND",
    "NOT_SHARED",
    "NO_CREDENTIALS",
    "PROBLEMS",
    "PROTECTED_RANGE",
    "RECONNECT_NEEDED",
    "ROW_DELETED",
    "SCOPES",
    "STORAGE_QUOTA",
    "TAB_DELETED",
    "VIEW_ONLY",
]

NOT_SHARED = "google_sheets.not_shared"
VIEW_ONLY = "google_sheets.view_only"
NOT_FOUND = "google_sheets.not_found"
API_DISABLED = "google_sheets.api_disabled"
SCOPES = "google_sheets.scopes"
STORAGE_QUOTA = "google_sheets.storage_quota"
PROTECTED_RANGE = "google_sheets.protected_range"
TAB_DELETED = "google_sheets.tab_deleted"
ID_COLUMN_DELETED = "google_sheets.id_column_deleted"
FILE_FULL = "google_sheets.file_full"
FOREIGN_MARKS = "google_sheets.foreign_marks"
IDS_REPEAT = "google_sheets.ids_repeat"
RECONNECT_NEEDED = "google_sheets.reconnect_needed"
NO_CREDENTIALS = "google_sheets.no_credentials"
NOT_AN_API = "google_sheets.not_an_api"

COLUMN_DELETED = "google_sheets.column_deleted"
CELLS_TRUNCATED = "google_sheets.cells_truncated"
FILE_FILLING = "google_sheets.file_filling"
ROW_DELETED = "google_sheets.row_deleted"
MARKS_FILLING = "google_sheets.marks_filling"

ALL_WAITS = (
    "Responses go on being accepted, validated and delivered elsewhere; those for this sheet wait in order and are sent after `resume`."
)
ALL_GOES_ON = "Everything: new responses, edits and deletions are written as before."

PROBLEMS = (
    KnownProblem(
        NOT_SHARED,
        seen='"The spreadsheet is not shared with ..."',
        cause="Nobody gave the Google account of the integration access to the spreadsheet, or somebody took it back.",
        fix="In Google Sheets, *Share*: add the address in the message as **Editor**, then resume.",
        meanwhile=ALL_WAITS,
    ),
    KnownProblem(
        VIEW_ONLY,
        seen='"... may view the spreadsheet but not edit it."',
        cause="The account is a Viewer or Commenter of the spreadsheet.",
        fix="In Google Sheets, *Share*: make the address an **Editor**, then resume.",
        meanwhile=ALL_WAITS,
    ),
    KnownProblem(
        NOT_FOUND,
        seen='"Google knows no spreadsheet with this id ..."',
        cause="The address in `spreadsheet` is mistyped, the file was deleted for good, or the account may only see files it made itself.",
        fix="Compare `spreadsheet` with the address in the browser; restore the file from the bin or share it; then resume.",
        meanwhile=ALL_WAITS,
    ),
    KnownProblem(
        API_DISABLED,
        seen='"The Google Sheets API or the Google Drive API is not enabled ..."',
        cause="The Google Cloud project of the credentials does not have both APIs switched on.",
        fix="Google Cloud console, *APIs & Services > Library*: enable both, wait a few minutes, then resume.",
        meanwhile=ALL_WAITS,
    ),
    KnownProblem(
        SCOPES,
        seen='"... granted too little ..."',
        cause="Whoever connected the account left a box of the consent page unchecked.",
        fix="Connect the account again and grant both: `collect connections add google NAME`. Then it goes on by itself.",
        meanwhile=ALL_WAITS,
    ),
    KnownProblem(
        STORAGE_QUOTA,
        seen='"... can\'t create a spreadsheet ..."',
        cause="A service account has no Drive storage, so it can't own files; or a person's storage is full.",
        fix="Create the spreadsheet yourself, share it with the address as Editor, set `spreadsheet`, then resume.",
        meanwhile=ALL_WAITS,
    ),
    KnownProblem(
        PROTECTED_RANGE,
        seen='"A protected range keeps this integration from writing."',
        cause="Somebody protected the tab or cells of it, and the account is not among those who may edit them.",
        fix="*Data > Protect sheets and ranges*: let the address edit, or remove the protection; then resume.",
        meanwhile=ALL_WAITS,
    ),
    KnownProblem(
        TAB_DELETED,
        seen='"The tab this integration writes into was deleted ..."',
        cause="Somebody deleted the tab, or a script removed the invisible marks that make it ours. It is never refilled in silence.",
        fix="*File > Version history*: restore it, then resume. Or add a new integration, which writes all responses anew.",
        meanwhile=ALL_WAITS,
    ),
    KnownProblem(
        ID_COLUMN_DELETED,
        seen='"The column _id was deleted ..."',
        cause="Without the column `_id` no edit can find its row.",
        fix="*File > Version history*: undo it, then resume. Hiding the column is fine.",
        meanwhile=ALL_WAITS,
    ),
    KnownProblem(
        FILE_FULL,
        seen='"The spreadsheet is full ..."',
        cause="A spreadsheet can't have more than 10,000,000 cells, and empty ones count.",
        fix="Delete unused tabs, rows and columns and resume, or name another spreadsheet as the message says.",
        meanwhile=ALL_WAITS,
    ),
    KnownProblem(
        FOREIGN_MARKS,
        seen='"The spreadsheet holds marks that this database did not write ..."',
        cause="The database was restored from a backup, or another installation writes into the same spreadsheet.",
        fix="Add an integration with a new spreadsheet (all responses are written into it), or delete the tab of the other installation.",
        meanwhile=ALL_WAITS,
    ),
    KnownProblem(
        IDS_REPEAT,
        seen='"This Sheets server takes the same metadata id twice ..."',
        cause="What answers is no faithful Sheets API: a batch whose answer is lost could be written twice there.",
        fix="Point `COLLECT_SHEETS_BASE_URL` at Google or at the local Sheets server, then resume.",
        meanwhile=ALL_WAITS,
    ),
    KnownProblem(
        RECONNECT_NEEDED,
        seen='"Reconnect needed ..."',
        cause="Google no longer accepts the credentials: access was revoked, a key was deleted, or the consent ran out "
        "(after 7 days while the consent screen is in *Testing*).",
        fix="`collect connections add` as the message says: then it goes on by itself. Where `credentials` are a file, a variable or a "
        "stored secret: replace them, then resume.",
        meanwhile=ALL_WAITS,
    ),
    KnownProblem(
        NO_CREDENTIALS,
        seen='"No credentials are configured for Google.", or that a file of credentials is none',
        cause="The integration writes to Google, and its `credentials` are not set or can't be read as credentials.",
        fix="Set `credentials` as docs/destinations/google_sheets.md describes, then resume.",
        meanwhile=ALL_WAITS,
    ),
    KnownProblem(
        NOT_AN_API,
        seen='"What answers under the Sheets base URL is not the Sheets API ..."',
        cause="`COLLECT_SHEETS_BASE_URL` or `COLLECT_DRIVE_BASE_URL` names another server, or a proxy answers in between.",
        fix="Correct the two settings, or unset them to use the local Sheets server; restart the workers, then resume.",
        meanwhile=ALL_WAITS,
    ),
    KnownProblem(
        COLUMN_DELETED,
        stops=False,
        seen="a notice that names the column",
        cause="Somebody deleted the column of a question. People own their sheet: it is not brought back.",
        fix="Nothing, if it was meant. Else undo it in *File > Version history*, then `collect replay NAME` writes what it missed.",
        meanwhile="Everything but the answers to that question, which stay in collect.",
    ),
    KnownProblem(
        CELLS_TRUNCATED,
        stops=False,
        seen="a notice with a number; the cells themselves end in `[cut here: ...]`",
        cause="A cell can't hold more than 50,000 characters.",
        fix="Read the whole answer with `collect responses show ID`, or send the form to a warehouse or file too.",
        meanwhile=ALL_GOES_ON,
    ),
    KnownProblem(
        FILE_FILLING,
        stops=False,
        seen="a notice with the share of the cells that are used",
        cause="The spreadsheet has used 70 % of the 10,000,000 cells it may have; empty ones count.",
        fix="Prepare the next spreadsheet as the notice says, or delete unused tabs, rows and columns.",
        meanwhile=ALL_GOES_ON,
    ),
    KnownProblem(
        ROW_DELETED,
        stops=False,
        seen="a notice with the number of rows",
        cause="Somebody deleted rows of responses that were edited or deleted since.",
        fix="Nothing, if it was meant. `collect reconcile NAME` lists what is missing; with `--repair --refill` it is written again.",
        meanwhile="Everything; what happens to an edit of such a response is the setting `deleted_rows`.",
    ),
    KnownProblem(
        MARKS_FILLING,
        stops=False,
        seen="a notice",
        cause="A tab has room for 30,000 characters of invisible marks, and most of it is used: by many columns, or other programs.",
        fix="Delete columns nobody needs. If it stays: use another tab or spreadsheet.",
        meanwhile="Everything; at very high rates a batch waits a minute for old marks to go.",
    ),
)
"""In the order in which people meet them: what stops, then what goes on."""

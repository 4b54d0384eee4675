"""Every limit the server enforces, with unit and source; `Limits` holds those a test may lower."""

from dataclasses import dataclass

__all__ = [
    "CELL_CHARACTERS",
    "COLUMNS",
    "METADATA_CHARACTERS",
    "REQUESTS_PER_BATCH",
    "RESIDENT_ROWS",
    "TABS",
    "TITLE_CHARACTERS",
    "Limits",
    "Switches",
]

CELL_CHARACTERS = 50_000  # UTF-16 units of one cell; support.google.com answer 37603; [U] freelabz/secator#96
COLUMNS = 18_278  # column ZZZ; support.google.com answer 37603
REQUESTS_PER_BATCH = 100_000  # [U] airbytehq/airbyte#42904
TABS = 200  # [?] secondary sources only
TITLE_CHARACTERS = 100  # of a tab; [?] secondary sources only
RESIDENT_ROWS = 200_000  # rows in memory at a time, about 300 MB of 30 columns; ours, has no counterpart at Google
METADATA_CHARACTERS = 30_000  # keys + values, per tab and for the spreadsheet; guides/metadata, [L1]


@dataclass
class Limits:
    """The limits tests lower or people raise; the defaults are Google's."""

    cells: int = 10_000_000  # allocated cells per spreadsheet; support.google.com answer 37603
    writes_per_user: int = 60  # per minute; developers.google.com/workspace/sheets/api/limits
    reads_per_user: int = 60
    writes_per_project: int = 300
    reads_per_project: int = 300
    drive_per_minute: int = 12_000  # developers.google.com/workspace/drive/api/guides/limits
    token_seconds: int = 3600  # life of an access token; developers.google.com/identity/protocols/oauth2
    resident_rows: int = RESIDENT_ROWS  # read when the server starts; spreadsheets unused for longest go back to disk past it


@dataclass
class Switches:
    """Behaviours nobody has proved, or that a test must be able to turn."""

    unique_metadata_ids: bool = True
    """False lets a metadata id be created twice, so that a connect probe can be seen to notice."""
    missing_metadata_is_error: bool = False
    """True refuses to update or delete developer metadata that no filter matches; Google's answer is not known."""
    trashed_is_missing: bool = False
    """True answers 404 for a file in the trash; what Google does is not checked."""
    copies_carry_metadata: bool = False
    """True gives copies of tabs and files the developer metadata of the original; Google's answer is not known."""
    disabled_apis: frozenset[str] = frozenset()
    """APIs that are switched off in the cloud project of the caller: `sheets`, `drive`."""
    storage_full: bool = False
    """True refuses new files in anybody's own Drive; shared drives have room."""
    survives_power_cuts: bool = True
    """False answers before the disk has written: faster, for tests that lose nothing by it. Read when the server starts."""
    clock_speed: float = 1.0
    """How many times faster than real time the server's clock runs: 60 makes a quota minute last a second."""
    extra_fields: bool = True
    """True adds `commentUpdateState` to batchUpdate answers, as Google does since mid-2026."""

"""The class the core drives. Nothing heavy is imported before the first probe or delivery."""

import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints

from collect_pipelines.destinations.google_sheets.content.choices import ChoiceMode
from collect_pipelines.destinations.google_sheets.wire.codes import PROBLEMS
from collect_pipelines.destinations.interface import (
    Batch,
    Capability,
    Delivery,
    Destination,
    DestinationConfig,
    Guarantee,
    Held,
    KnownProblem,
    OnDelete,
    ProbeReport,
)

if TYPE_CHECKING:
    from collect_pipelines.destinations.google_sheets.session import Session

__all__ = ["GoogleSheets", "GoogleSheetsConfig"]


MOST_ACCOUNTS = 20  # five use up what Google grants a project; the rest may be of other projects


def _address_or_id(text: str) -> str:
    from collect_pipelines.destinations.google_sheets.files.spreadsheet import spreadsheet_id

    return spreadsheet_id(text)


def _folder(text: str) -> str:
    from collect_pipelines.destinations.google_sheets.files.spreadsheet import folder_id

    return folder_id(text)


def _listed(value: Any) -> Any:
    return [one.strip() for one in value.split(",") if one.strip()] if isinstance(value, str) else value


Reference = Annotated[str, StringConstraints(pattern=r"^(connection|file|env|stored):.+$")]


class GoogleSheetsConfig(DestinationConfig):
    """Where the rows of the form go and as whom."""

    spreadsheet: Annotated[str, AfterValidator(_address_or_id)] | None = Field(
        default=None,
        description="Address or id of the spreadsheet. Unset: one titled like the form is created, which takes a person's credentials.",
    )
    next_spreadsheets: Annotated[tuple[Annotated[str, AfterValidator(_address_or_id)], ...], BeforeValidator(_listed)] = Field(
        default=(),
        description="Addresses or ids of the spreadsheets that follow when the one before is full, in this order, separated by commas.",
    )
    folder: Annotated[str, AfterValidator(_folder)] | None = Field(
        default=None,
        description="Address or id of a folder in a shared drive, where spreadsheets are created: there a service account may create them.",
    )
    deleted_rows: Literal["respect", "refill", "report"] = Field(
        default="respect",
        description="When a response is edited whose row a person deleted: `respect` leaves it deleted, `refill` appends it anew, "
        "`report` lists it under `collect failures` for a person to decide.",
    )
    choices: ChoiceMode = Field(
        default="joined",
        description="A question that takes several choices: `joined` in one cell, `columns` with one column per choice and 1 where it was "
        "chosen, or `both`. Columns that exist are written in any case.",
    )
    tab: str | None = Field(
        default=None, min_length=1, max_length=100, description="Title of the tab that is created. Unset: the title of the form."
    )
    credentials: Reference | Annotated[tuple[Reference, ...], Field(min_length=1, max_length=MOST_ACCOUNTS)] | None = Field(
        default=None,
        description="`connection:NAME` of a connected account (`collect connections`), or `file:PATH`, `env:NAME` or `stored:NAME` of the "
        "JSON of a service account or authorised user. Several accounts share the calls: a list. Unset: the local server's.",
    )


class GoogleSheets(Destination):
    """One row per response in a tab that people may sort, filter, rename and extend as they like."""

    kind: ClassVar[str] = "google_sheets"
    Config: ClassVar[type[DestinationConfig]] = GoogleSheetsConfig
    guarantee: ClassVar[Guarantee] = "exactly_once"
    supports: ClassVar[frozenset[Capability]] = frozenset({"upsert", "delete", "append", "read_back"})
    deletes: ClassVar[tuple[OnDelete, ...]] = ("tombstone", "clear", "delete")
    asks_known: ClassVar[bool] = True
    values: ClassVar[Literal["display", "typed"]] = "display"
    code_lists: ClassVar[bool] = True
    problems: ClassVar[tuple[KnownProblem, ...]] = PROBLEMS
    max_rows: ClassVar[int] = 2000
    calls_per_minute: ClassVar[float | None] = 60.0  # writes per account, as Google grants them
    max_bytes: ClassVar[int] = 1_900_000  # a batch that grows past 1.9 MB as cells is sent in parts, each exactly once
    clock: Callable[[], float] = staticmethod(time.time)
    """Seconds since the epoch."""

    config: GoogleSheetsConfig
    _kept: "Session | None" = None

    def probe(self) -> ProbeReport:
        """Reads and writes the spreadsheet; creates it when none is configured. Raises Blocked with the fix in plain words."""
        return self._session().probe(self.context.form)

    def preview(self, batch: Batch) -> str:
        """The header and the first rows as they would stand in the tab."""
        from collect_pipelines.destinations.google_sheets.content.preview import drawn
        from collect_pipelines.destinations.google_sheets.content.tables import tables_of

        return drawn(tables_of(batch, title=self.config.tab, choices=self.config.choices))

    def deliver(self, batch: Batch) -> Delivery:
        """Appends what is new and edits what is known, each exactly once, however often the batch comes."""
        return self._session().deliver(batch)

    def read_back(self) -> Iterator[Sequence[Held]]:
        """Every row of the main tab that has an id, in all spreadsheets; three reads each, and one per 50,000 rows."""
        return self._session().read_back()

    def remove_copies(self, copies: Sequence[tuple[str, int | None]]) -> int:
        """Deletes rows that are there twice; the newest revision stays."""
        return self._session().remove_copies(copies)

    def close(self) -> None:
        """Closes the connections to Google."""
        if self._kept is not None:
            self._kept.close()
            self._kept = None

    def _session(self) -> "Session":
        from collect_pipelines.destinations.google_sheets.session import open_session

        self._kept = open_session(self.config, self.context, self.clock, self._kept)
        return self._kept

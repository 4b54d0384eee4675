"""Where an integration's first spreadsheet comes from, and each next one: named by a person, or created."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from collect_pipelines.destinations.google_sheets.account.credentials import Account
from collect_pipelines.destinations.google_sheets.files.spreadsheet import find_or_create
from collect_pipelines.destinations.google_sheets.wire.calls import Api
from collect_pipelines.destinations.interface import Context, Notice

__all__ = ["Source"]


@dataclass(frozen=True)
class Source:
    """The spreadsheets named in the configuration, then those the account may create."""

    context: Context
    api: Api
    account: Account
    spreadsheet: str | None
    """The first one, when a person named it."""
    following: Sequence[str]
    """Ids of those a person prepared, in the order of their use."""
    folder: str | None
    """Of a shared drive: there a service account may create spreadsheets."""
    title: str
    now: Callable[[], float]

    @property
    def creates(self) -> bool:
        """Whether the account may own spreadsheets."""
        return self.account.kind != "service_account" or self.folder is not None

    def first_one(self) -> str:
        """The spreadsheet to begin with. Raises Blocked when none is named and none can be created."""
        return self.spreadsheet or self._created(1)

    def has_next(self, used: int) -> bool:
        """Whether there is one after so many."""
        return self.creates or used <= len(self.following)

    def next_one(self, used: int) -> str:
        """The one after so many. Raises FileFull when a person has to prepare one."""
        if used <= len(self.following):
            return self.following[used - 1]
        if not self.creates:
            raise self.api.http.explain.file_full()
        return self._created(used + 1)

    def filling(self, share: float, used: int) -> Notice:
        """That the last of so many spreadsheets has this share of the cells it may have."""
        full = f"The spreadsheet holds {share:.0%} of the cells it can have."
        if self.has_next(used):
            return Notice("google_sheets.file_filling", f"{full} New rows will go into the next one by themselves.")
        explain = self.api.http.explain
        return Notice(
            "google_sheets.file_filling",
            f"{full} When it is full, new responses wait.",
            fix=f"Create a spreadsheet, share it with {explain.who} as Editor and run "
            f"`collect integrations set {explain.integration} --set next_spreadsheets=ADDRESS`.",
        )

    def title_of(self, ordinal: int) -> str:
        """Of a spreadsheet that we create."""
        return self.title if ordinal == 1 else f"{self.title} ({ordinal})"

    def _created(self, ordinal: int) -> str:
        title = self.title_of(ordinal)
        return find_or_create(self.context, self.api, self.account, title, self.now, ordinal=ordinal, folder=self.folder)

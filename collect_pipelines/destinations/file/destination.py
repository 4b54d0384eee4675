"""The class the core drives. Nothing heavy is imported before the first probe or delivery."""

from pathlib import Path
from secrets import token_hex
from typing import ClassVar, Literal

from collect_pipelines.destinations.file.config import FileConfig
from collect_pipelines.destinations.file.folder import Folder
from collect_pipelines.destinations.file.naming import data_name
from collect_pipelines.destinations.interface import (
    Batch,
    Capability,
    Delivery,
    Destination,
    DestinationConfig,
    Guarantee,
    OnDelete,
    ProbeReport,
)
from collect_pipelines.errors import Blocked

__all__ = ["File"]

PREVIEW_ROWS = 20  # fits a terminal
OWNER_BYTES = 16
GIGABYTE = 1_000_000_000


class File(Destination):
    """The responses of a form as Parquet, CSV or NDJSON: one file that is always whole, or a folder of parts."""

    kind: ClassVar[str] = "file"
    Config: ClassVar[type[DestinationConfig]] = FileConfig
    guarantee: ClassVar[Guarantee] = "exactly_once"
    supports: ClassVar[frozenset[Capability]] = frozenset({"upsert", "delete", "append"})
    deletes: ClassVar[tuple[OnDelete, ...]] = ("delete", "tombstone")
    keyed: ClassVar[bool] = True
    values: ClassVar[Literal["display", "typed"]] = "typed"
    max_rows: ClassVar[int] = 50_000
    max_bytes: ClassVar[int] = 64_000_000  # bounds the memory of one batch to some 300 MB
    min_interval_seconds: ClassVar[float] = 5.0  # `single` is written anew each time, `parts` gets a file each time

    config: FileConfig

    def probe(self) -> ProbeReport:
        """Writes and removes a file in the folder. Raises Blocked when that is not possible."""
        folder = self._folder()
        with folder.explained():
            folder.make()
            free = folder.try_out()
            self._refuse_others(folder)
            sizes = self._sizes(folder)
        there = f"{sum(sizes):,} bytes in {len(sizes)} {'file' if len(sizes) == 1 else 'files'}" if sizes else "nothing is there yet"
        return ProbeReport(
            summary=f"{self._target} can be written; {there}.",
            facts={"path": str(self._target), "files": len(sizes), "bytes": sum(sizes), "free": f"{free / GIGABYTE:.1f} GB"},
        )

    def preview(self, batch: Batch) -> str:
        """The file that these rows would make; Parquet as a table with its types."""
        import polars as pl

        from collect_pipelines.destinations.file.csv_cells import headings
        from collect_pipelines.destinations.file.formats import format_of

        if self.config.format == "parquet":
            with pl.Config(tbl_cols=-1, tbl_rows=PREVIEW_ROWS, fmt_str_lengths=80, tbl_width_chars=-1):
                return f"{self._target}\n{batch.frame}"
        content = format_of(self.config).written(batch.frame, headings({}, batch.columns, keep=False), batch.time_zone)
        return content.decode("utf-8-sig")

    def deliver(self, batch: Batch) -> Delivery:
        """Writes the batch; when this returns it is on the disk."""
        folder = self._folder()
        with folder.explained():
            folder.make()
            with folder.alone(self._name):
                self._own(folder)
                if self.config.layout == "single":
                    folder.clean(f".{self._name}.")
                    sent = self._single(folder, batch)
                else:
                    folder.clean(".")
                    sent = self._parts(folder, batch)
        return Delivery.complete(batch, sent_bytes=sent)

    def _single(self, folder: Folder, batch: Batch) -> int:
        from collect_pipelines.destinations.file.csv_cells import headings
        from collect_pipelines.destinations.file.single import Rows, Single

        single = Single(folder, self._name, self.config)
        rows, known = single.rows(), self.context.recall("written")
        if isinstance(known, int) and (rows is None or rows.batch_no < known):
            lost = "is gone" if rows is None else "is older than what was written last"
            raise Blocked(f"{folder.path / single.state}, which holds the rows of {single.file}, {lost}.", fix=single.anew)
        rows = rows or Rows.none(batch)
        merged = rows.merged(batch, headings(rows.heading, batch.columns, keep=False))
        sent = single.write(merged, batch)
        self.context.remember("written", merged.batch_no)
        return sent

    def _parts(self, folder: Folder, batch: Batch) -> int:
        from collect_pipelines.destinations.file.csv_cells import headings
        from collect_pipelines.destinations.file.parts import Parts

        known = self.context.recall("headings")
        heading = headings(known if isinstance(known, dict) else {}, batch.columns, keep=True)
        if heading != known:
            self.context.remember("headings", dict(heading))
        sent = Parts(folder, self.config).add(batch, heading)
        if self.context.recall("written") is None:
            self.context.remember("written", batch.batch_no)
        return sent

    def _own(self, folder: Folder) -> None:
        """Makes this integration the only one that ever writes here: two in one file would overwrite each other's rows."""
        self._refuse_others(folder)
        owner = self.context.recall("owner")
        if not isinstance(owner, str):
            owner = token_hex(OWNER_BYTES)
            self.context.remember("owner", owner)
        if folder.read(self._owner_file) is None:
            folder.write(self._owner_file, owner.encode())

    def _refuse_others(self, folder: Folder) -> None:
        owner, there = self.context.recall("owner"), folder.read(self._owner_file)
        if there is not None and there.decode("ascii", "replace") != owner:
            raise Blocked(
                f"The name {self._name} in {folder.path} belongs to another integration.",
                fix=f"Set another `name` or `folder`. To begin anew, move its files away, with those hidden beside them: .{self._name}.*",
            )
        if there is None and self.context.recall("written") is not None:
            raise Blocked(
                f"What this integration wrote before is not in {folder.path}: another disk or folder is there, or its settings changed.",
                fix=f"Put it back, .{self._name}.owner and what else is hidden with it, or set `folder`, `name` and `layout` as they were."
                " To begin anew, remove this integration and add it again: it is filled from the first response on.",
            )
        if there is None and owner is None and self._sizes(folder):
            raise Blocked(
                f"{self._target} is there already and was not written by this integration.",
                fix="Move it away, or set another `name` or `folder`.",
            )

    def _sizes(self, folder: Folder) -> list[int]:
        """Sizes of the files that people read."""
        mine = [name for name in folder.names() if not name.startswith(".")]
        if self.config.layout == "single":
            mine = [name for name in mine if name == self._target.name]
        return [(folder.path / name).stat().st_size for name in mine]

    def _folder(self) -> Folder:
        return Folder(
            self._target.parent if self.config.layout == "single" else self._target, self.context.guard, self.config.group_readable
        )

    @property
    def _name(self) -> str:
        return self.config.name or data_name(self.context.form)

    @property
    def _owner_file(self) -> str:
        return f".{self._name}.owner"

    @property
    def _target(self) -> Path:
        """What people read: a file, or the folder of the parts."""
        base = self.config.folder or Path("files")
        if not base.is_absolute():
            base = Path(self.context.setting("data_dir")).absolute() / base
        return base / (f"{self._name}.{self.config.format}" if self.config.layout == "single" else self._name)

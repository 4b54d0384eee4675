"""A folder of files that only grows: a file per batch, many small ones merged into one, each whole or not there."""

from collections.abc import Collection, Iterable, Mapping, Sequence

from collect_pipelines.destinations.file.config import FileConfig
from collect_pipelines.destinations.file.folder import Folder
from collect_pipelines.destinations.file.formats import format_of
from collect_pipelines.destinations.file.naming import Part
from collect_pipelines.destinations.interface import Batch

__all__ = ["Parts"]

SMALL_BYTES = 8_000_000  # a file that large is read as fast as a larger one
MANY_SMALL = 64  # at a batch every 5 seconds, five minutes of them become one file
MOST_MERGED_BYTES = 64_000_000  # bounds the memory of a merge


class Parts:
    """The parts in a folder."""

    def __init__(self, folder: Folder, config: FileConfig) -> None:
        self.folder, self.config, self.format = folder, config, format_of(config)

    def all(self) -> list[Part]:
        """Every part in the order of their batches, also those written before the format was changed."""
        return sorted(part for name in self.folder.names() if (part := Part.of(name)) is not None)

    def add(self, batch: Batch, heading: Mapping[str, str]) -> int:
        """
        Writes the batch as a part, and takes its entries out of earlier parts; returns the bytes written.

        The same batch again replaces its own part. With `on_delete` = delete, all rows of deleted responses leave earlier parts.
        """
        earlier = [part for part in self._tidy(self.all()) if part.last < batch.batch_no]
        positions = set(batch.frame["_position"].to_list())
        part = Part(batch.batch_no, batch.batch_no, min(positions), max(positions), self.format.suffix)
        content = self.format.written(batch.frame, heading, batch.time_zone)
        self.folder.write(part.name, content)
        self._take_out(earlier, positions, _deleted(batch))
        self._merge([part for part in earlier if part.suffix == self.format.suffix])
        return len(content)

    def _tidy(self, parts: Sequence[Part]) -> list[Part]:
        """Removes what was merged into another part by a process that was killed before it removed it."""
        superseded = [part for part in parts if any(other.holds(part) for other in parts)]
        self._remove(superseded)
        return [part for part in parts if part not in superseded]

    def _take_out(self, parts: Iterable[Part], positions: Collection[int], responses: Collection[str]) -> None:
        low, high = min(positions), max(positions)
        for part in parts:
            if not responses and not part.meets(low, high):
                continue
            content = self.folder.read(part.name)
            left = format_of(self.config, part.suffix).without(content, positions, responses) if content is not None else None
            if left is None:
                self._remove([part])
            elif left is not content:
                self.folder.write(part.name, left)

    def _merge(self, parts: Sequence[Part]) -> None:
        """Makes one part of the oldest run of small ones, once there are many."""
        run = self._run(parts)
        if len(run) < MANY_SMALL:
            return
        contents = [content for part in run if (content := self.folder.read(part.name)) is not None]
        joined = self.format.joined(contents) if contents else None
        if joined is None:
            return
        low, high = min(part.low for part in run), max(part.high for part in run)
        self.folder.write(Part(run[0].first, run[-1].last, low, high, self.format.suffix).name, joined)
        self._remove(run)

    def _run(self, parts: Sequence[Part]) -> list[Part]:
        """The newest small parts in a row, as many as fit into one."""
        run: list[Part] = []
        total = 0
        for part in reversed(parts):
            size = self._size(part)
            if size > SMALL_BYTES or total + size > MOST_MERGED_BYTES:
                break
            run.append(part)
            total += size
        return run[::-1]

    def _size(self, part: Part) -> int:
        try:
            return (self.folder.path / part.name).stat().st_size
        except FileNotFoundError:
            return 0

    def _remove(self, parts: Collection[Part]) -> None:
        for part in parts:
            self.folder.remove(part.name)
        if parts:
            self.folder.sync()


def _deleted(batch: Batch) -> frozenset[str]:
    if batch.append_only or batch.on_delete != "delete":
        return frozenset()
    return frozenset(batch.frame.filter(batch.frame["_operation"] == "delete")["_response_id"].to_list())

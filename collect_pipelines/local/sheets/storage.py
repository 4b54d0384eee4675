"""Spreadsheets on disk: one SQLite file each, one transaction a change, only what changed is written."""

import sqlite3
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any

import orjson

from collect_pipelines.local.sheets.grid import Rectangle, Row, Tab
from collect_pipelines.local.sheets.metadata import Entry
from collect_pipelines.local.sheets.workbook import FileRecord, Permission, Workbook

__all__ = ["WorkbookFile"]

COMPARED_AT_ONCE = 4096  # rows; list comparison by identity runs in C, so unchanged stretches cost next to nothing

_SCHEMA = """
CREATE TABLE IF NOT EXISTS document (name TEXT PRIMARY KEY, content BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS tab_row (
    key INTEGER PRIMARY KEY, tab INTEGER NOT NULL, position INTEGER NOT NULL, width INTEGER NOT NULL, data BLOB NOT NULL
);
CREATE TABLE IF NOT EXISTS metadata (serial INTEGER PRIMARY KEY, content BLOB NOT NULL);
"""
_ROWS = "SELECT key, tab, position, width, data FROM tab_row ORDER BY tab, position"


class WorkbookFile:
    """The file of one spreadsheet; used by one thread at a time, the caller holds the lock."""

    def __init__(self, path: Path, *, durable: bool = True) -> None:
        """Opens or creates the file; not `durable` means that a power cut may take the latest changes."""
        self.path = path
        self._durable = durable
        self._connection: sqlite3.Connection | None = None
        self._next_key = 1

    def load(self) -> Workbook:
        """The stored state."""
        connection = self._open()
        workbook = _workbook(orjson.loads(connection.execute("SELECT content FROM document WHERE name = 'workbook'").fetchone()[0]))
        for key, tab_id, position, width, data in connection.execute(_ROWS):
            rows = workbook.tabs[tab_id].rows
            if position > len(rows):
                rows.extend([None] * (position - len(rows)))
            rows.append(Row(data, width, key))
            self._next_key = max(self._next_key, key + 1)
        for serial, content in connection.execute("SELECT serial, content FROM metadata ORDER BY serial"):
            workbook.metadata.load(serial, Entry(**orjson.loads(content)))
        return workbook

    def header(self) -> Workbook:
        """The stored state without rows and metadata: enough for lists and access checks. Leaves the file closed."""
        with closing(sqlite3.connect(self.path)) as connection:
            row = connection.execute("SELECT content FROM document WHERE name = 'workbook'").fetchone()
        workbook = _workbook(orjson.loads(row[0]))
        workbook.complete = False
        return workbook

    def commit(self, before: Workbook | None, after: Workbook) -> None:
        """Writes the difference in one transaction; rows new to storage get their key."""
        connection = self._open()
        stored = before.tabs if before is not None else {}
        with connection:
            connection.execute("INSERT OR REPLACE INTO document VALUES ('workbook', ?)", (orjson.dumps(_document(after)),))
            for tab_id in stored.keys() - after.tabs.keys():
                connection.execute("DELETE FROM tab_row WHERE tab = ?", (tab_id,))
            for tab_id, tab in after.tabs.items():
                old = stored.get(tab_id)
                if old is not tab:
                    self._write_rows(connection, tab_id, old.rows if old is not None else [], tab.rows)
            self._write_metadata(connection, before.metadata.entries if before is not None else {}, after.metadata.entries)

    def close(self) -> None:
        """Closes the file; the next use opens it again."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _open(self) -> sqlite3.Connection:
        if self._connection is None:
            connection = sqlite3.connect(self.path, check_same_thread=False)
            connection.execute("PRAGMA journal_mode = WAL")
            # Answered 200 means landed: what the pipeline marks delivered must survive a power cut too.
            connection.execute(f"PRAGMA synchronous = {'FULL' if self._durable else 'OFF'}")
            connection.executescript(_SCHEMA)
            self._connection = connection
        return self._connection

    def _write_rows(self, connection: sqlite3.Connection, tab_id: int, old: list[Row | None], new: list[Row | None]) -> None:
        changed = _changed_positions(old, new)
        kept = {id(new[position]) for position in changed if position < len(new)}
        gone = [(row.key,) for position in changed if position < len(old) and (row := old[position]) is not None and id(row) not in kept]
        moved, added = [], []
        for position in changed:
            row = new[position] if position < len(new) else None
            if row is None:
                continue
            if row.key is None:
                row.key, self._next_key = self._next_key, self._next_key + 1
                added.append((row.key, tab_id, position, row.width, row.data))
            else:
                moved.append((position, row.key))
        connection.executemany("DELETE FROM tab_row WHERE key = ?", gone)
        connection.executemany("UPDATE tab_row SET position = ? WHERE key = ?", moved)
        connection.executemany("INSERT INTO tab_row VALUES (?, ?, ?, ?, ?)", added)

    def _write_metadata(self, connection: sqlite3.Connection, old: dict[int, Entry], new: dict[int, Entry]) -> None:
        gone = [(serial,) for serial in old.keys() - new.keys()]
        changed = [(serial, orjson.dumps(_plain(entry))) for serial, entry in new.items() if old.get(serial) is not entry]
        connection.executemany("DELETE FROM metadata WHERE serial = ?", gone)
        connection.executemany("INSERT OR REPLACE INTO metadata VALUES (?, ?)", changed)


def _changed_positions(old: list[Row | None], new: list[Row | None]) -> list[int]:
    changed: list[int] = []
    for start in range(0, max(len(old), len(new)), COMPARED_AT_ONCE):
        end = start + COMPARED_AT_ONCE
        before, after = old[start:end], new[start:end]
        if before == after:
            continue
        common = min(len(before), len(after))
        changed += [start + index for index in range(common) if before[index] is not after[index]]
        changed += range(start + common, start + max(len(before), len(after)))
    return changed


def _plain(entry: Entry) -> dict[str, Any]:
    return asdict(entry)


def _document(workbook: Workbook) -> dict[str, Any]:
    file = asdict(workbook.file)
    tabs = [_tab_document(tab) for tab in workbook.tabs.values()]
    return {"file": file, "title": workbook.title, "properties": workbook.properties, "tabs": tabs, "version": workbook.version}


def _tab_document(tab: Tab) -> dict[str, Any]:
    return {
        "tab_id": tab.tab_id,
        "title": tab.title,
        "row_count": tab.row_count,
        "column_count": tab.column_count,
        "properties": tab.properties,
        "grid_properties": tab.grid_properties,
        "row_properties": list(tab.row_properties.items()),
        "column_properties": list(tab.column_properties.items()),
        "column_formats": list(tab.column_formats.items()),
        "protected": tab.protected,
        "merges": [asdict(merge) for merge in tab.merges],
        "basic_filter": tab.basic_filter,
    }


def _workbook(document: dict[str, Any]) -> Workbook:
    record = document["file"]
    record["permissions"] = {key: Permission(**value) for key, value in record["permissions"].items()}
    tabs = {}
    for one in document["tabs"]:
        for name in ("row_properties", "column_properties", "column_formats"):
            one[name] = dict(one[name])
        one["merges"] = [Rectangle(**merge) for merge in one["merges"]]
        tabs[one["tab_id"]] = Tab(**one)
    return Workbook(FileRecord(**record), document["title"], document["properties"], tabs, version=document["version"])

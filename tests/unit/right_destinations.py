"""Destinations that do it right, one per guarantee, small enough to be read at once."""

import json
import sqlite3
import urllib.error
import urllib.request
from collections.abc import Iterator
from http.client import HTTPException
from pathlib import Path
from typing import Any, ClassVar

from pydantic import Field

from collect_pipelines.destinations.interface import Batch, Delivery, Destination, DestinationConfig, Note, Outcome, ProbeReport
from collect_pipelines.errors import Blocked, Refused, TryLater

MOST_READ_BYTES = 100_000


def rows_of(batch: Batch) -> Iterator[dict[str, Any]]:
    """The rows with headings in place of physical names."""
    headings = {column.name: column.key for column in batch.columns}
    for row in batch.frame.iter_rows(named=True):
        yield {headings.get(name, name): value for name, value in row.items()}


class TableConfig(DestinationConfig):
    """Where the table is."""

    path: Path = Field(description="SQLite file.")


class Table(Destination):
    """One row per response in a SQLite file, written exactly once."""

    kind: ClassVar[str] = "table"
    Config = TableConfig
    guarantee = "exactly_once"
    supports = frozenset({"upsert", "delete"})
    deletes = ("delete", "tombstone")
    keyed = True
    config: TableConfig

    def probe(self) -> ProbeReport:
        with self._opened() as connection:
            rows = connection.execute("select count(*) from row").fetchone()[0]
            connection.rollback()
        return ProbeReport(f"The table has {rows} rows.", {"rows": rows})

    def preview(self, batch: Batch) -> str:
        return "\n".join(json.dumps(row, default=str, ensure_ascii=False) for row in rows_of(batch))

    def deliver(self, batch: Batch) -> Delivery:
        with self._opened() as connection:
            for row in rows_of(batch):
                self.write(connection, row, batch)
            self.context.guard()
            connection.commit()
        return Delivery.complete(batch)

    def write(self, connection: sqlite3.Connection, row: dict[str, Any], batch: Batch) -> None:
        text = json.dumps(row, default=str, ensure_ascii=False)
        gone = row["_operation"] == "delete"
        connection.execute(
            "insert into row values (?, ?, ?, ?) on conflict (response) do update set revision = excluded.revision, state = excluded.state,"
            " content = excluded.content where excluded.revision > revision",
            (row["_response_id"], row["_revision"], (batch.on_delete if gone else "there"), "" if gone else text),
        )

    def _opened(self) -> Any:
        from contextlib import contextmanager

        @contextmanager
        def opened() -> Iterator[sqlite3.Connection]:
            try:
                connection = sqlite3.connect(self.config.path, timeout=0.2)
            except (sqlite3.Error, ValueError) as exc:
                raise Blocked("The file can't be opened.", fix="Give a path in a folder that exists.") from exc
            try:
                connection.execute("create table if not exists row (response text primary key, revision int, state text, content text)")
                yield connection
            except sqlite3.OperationalError as exc:
                raise TryLater("The file can't be written now.") from exc
            except sqlite3.Error as exc:
                raise Blocked("The file is no SQLite file.", fix="Give another path.") from exc
            finally:
                connection.close()

        return opened()


class PosterConfig(DestinationConfig):
    """Where to."""

    url: str = Field(pattern=r"^https?://[^\s]+$", max_length=2_000, description="Address.")
    token: str = Field(max_length=200, description="Reference of the token.")
    timeout_seconds: float = Field(default=10.0, gt=0, le=60, description="How long an answer may take.")


class NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        return None


class Poster(Destination):
    """Posts each response to an address, at least once, under a key of its own."""

    kind: ClassVar[str] = "poster"
    Config = PosterConfig
    guarantee = "at_least_once"
    supports = frozenset({"delete"})
    deletes = ("tombstone",)
    keyed = True
    config: PosterConfig
    said = b""
    """What the receiver said last."""

    def probe(self) -> ProbeReport:
        self._request("GET", None, {})
        return ProbeReport("It answers.")

    def preview(self, batch: Batch) -> str:
        return "\n".join(self.text(row) for row in rows_of(batch))

    def deliver(self, batch: Batch) -> Delivery:
        outcomes = []
        for row in rows_of(batch):
            self.context.guard()
            outcomes.append(self.send(self.text(row), self.key(batch, row)))
        return Delivery(tuple(outcomes))

    def send(self, text: str, key: str) -> Outcome:
        status = self._request("POST", text.encode(), {"Idempotency-Key": key})
        return Outcome.delivered() if status < 300 else Outcome.refused(f"The receiver answered {status}.")

    def key(self, batch: Batch, row: dict[str, Any]) -> str:
        return f"{batch.integration_id}-{row['_response_id']}-{row['_revision']}"

    def text(self, row: dict[str, Any]) -> str:
        return json.dumps(row, default=str, ensure_ascii=False)

    def _request(self, method: str, body: bytes | None, headers: dict[str, str]) -> int:
        token = self.context.secret(self.config.token)
        request = urllib.request.Request(self.config.url, body, {**headers, "Authorization": f"Bearer {token}"}, method=method)
        try:
            opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), NoRedirects)
            with opener.open(request, timeout=self.config.timeout_seconds) as answer:
                self.said = answer.read(MOST_READ_BYTES)
                return int(answer.status)
        except urllib.error.HTTPError as exc:
            exc.close()
            return self.status(exc)
        except (OSError, HTTPException, ValueError) as exc:
            raise TryLater(f"No answer ({type(exc).__name__}).", unknown=True) from None

    def status(self, exc: urllib.error.HTTPError) -> int:
        if exc.code == 429:
            raise TryLater("The receiver has too much to do.", after=float(exc.headers.get("Retry-After") or 60))
        if exc.code >= 500:
            raise TryLater(f"The receiver answered {exc.code}.", unknown=True)
        if exc.code in (400, 413, 415, 422):
            return exc.code
        raise Blocked(f"The receiver answered {exc.code}.", fix="Correct the address or the token.")


class Messenger(Poster):
    """Posts each response to an address, never twice: what is noted as sent, or as being sent, is not sent again."""

    kind = "messenger"
    guarantee = "at_most_once"
    supports = frozenset()
    deletes = ()
    keyed = True

    def deliver(self, batch: Batch) -> Delivery:
        return Delivery(tuple(self.one(batch, row) for row in rows_of(batch)))

    def one(self, batch: Batch, row: dict[str, Any]) -> Outcome:
        if row["_revision"] > 1:
            return Outcome.skipped("Only new responses get a message.")
        key = row["_response_id"]
        known = self.context.notes([key]).get(key)
        if known is not None and known.state != "free":
            return Outcome.delivered() if known.state == "sent" else Outcome.unknown("It may have been sent before.")
        self.context.guard()
        self.context.note([Note(key, "sending")])
        try:
            outcome = self.send(self.text(row), key)
        except TryLater as exc:
            if exc.unknown:
                return Outcome.unknown("There was no answer.")
            self.context.note([Note(key, "free")])
            return Outcome.later("The receiver has too much to do.", after=exc.after)
        except Blocked:
            self.context.note([Note(key, "free")])
            raise
        self.context.note([Note(key, "sent" if outcome.state == "delivered" else "free")])
        return outcome


class Bulk(Poster):
    """Posts all rows in one request; the receiver says which of them it took."""

    kind = "bulk"
    guarantee = "at_least_once"

    def deliver(self, batch: Batch) -> Delivery:
        rows = [{**row, "key": self.key(batch, row)} for row in rows_of(batch)]
        self.context.guard()
        text = "\n".join(self.text(row) for row in rows)
        if self._request("POST", text.encode(), {}) >= 300:
            raise Refused("The receiver does not take these rows.")
        return Delivery(tuple(self.outcomes(rows)))

    def outcomes(self, rows: list[dict[str, Any]]) -> Iterator[Outcome]:
        try:
            taken = set(json.loads(self.said)["taken"])
        except (ValueError, KeyError, TypeError):
            raise TryLater("What the receiver took can't be read.", unknown=True) from None
        for row in rows:
            yield Outcome.delivered() if row["key"] in taken else Outcome.later("The receiver took other rows.")

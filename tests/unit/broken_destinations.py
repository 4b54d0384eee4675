"""Destinations that are wrong, each in one way; the conformance suite finds out about every one of them."""

import json
import os
import sqlite3
import threading
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import Field

from collect_pipelines.destinations.interface import Batch, Delivery, Destination, DestinationConfig, Note, Outcome, ProbeReport
from collect_pipelines.errors import Blocked, DeliveryError, LeaseLost, TryLater
from tests.unit.right_destinations import Bulk, Messenger, NoRedirects, Poster, Table, rows_of


class ForgetsRows(Table):
    """Writes all rows but the last."""

    def write(self, connection: sqlite3.Connection, row: dict[str, Any], batch: Batch) -> None:
        if row["_position"] != batch.to_position:
            super().write(connection, row, batch)


class WritesAgain(Table):
    """Has no key: a batch that comes again is there twice."""

    supports = frozenset({"delete"})
    keyed = False

    def write(self, connection: sqlite3.Connection, row: dict[str, Any], batch: Batch) -> None:
        super().write(connection, {**row, "_response_id": f"{row['_response_id']} {uuid.uuid4()}"}, batch)


class OlderOverNewer(Table):
    """Does not look at revisions."""

    def write(self, connection: sqlite3.Connection, row: dict[str, Any], batch: Batch) -> None:
        connection.execute("delete from row where response = ?", (row["_response_id"],))
        super().write(connection, row, batch)


class ClaimsDelete(Table):
    """Leaves deleted responses as they are."""

    def write(self, connection: sqlite3.Connection, row: dict[str, Any], batch: Batch) -> None:
        if row["_operation"] != "delete":
            super().write(connection, row, batch)


class ClaimsUpsert(Table):
    """Keeps the first revision."""

    def write(self, connection: sqlite3.Connection, row: dict[str, Any], batch: Batch) -> None:
        if row["_operation"] == "create":
            super().write(connection, row, batch)


class NeedsNoLease(Table):
    """Never asks whether it still has the lease."""

    def deliver(self, batch: Batch) -> Delivery:
        with self._opened() as connection:
            for row in rows_of(batch):
                self.write(connection, row, batch)
            connection.commit()
        return Delivery.complete(batch)


class SwallowsTheLoss(Table):
    """Takes the loss of its lease for a reason to go on."""

    def deliver(self, batch: Batch) -> Delivery:
        try:
            return super().deliver(batch)
        except LeaseLost:
            return Delivery.complete(batch)


class CommitsRowByRow(Table):
    """Not keyed, but says so: rows are known by batch and place in it."""

    supports = frozenset()
    deletes = ()

    def write(self, connection: sqlite3.Connection, row: dict[str, Any], batch: Batch) -> None:
        super().write(connection, {**row, "_response_id": f"{batch.batch_no}/{row['_response_id']}"}, batch)


class IgnoresNewQuestions(Table):
    """Knows the columns of the first batch for ever."""

    def write(self, connection: sqlite3.Connection, row: dict[str, Any], batch: Batch) -> None:
        keys = self.context.recall("columns") or sorted(row)
        self.context.remember("columns", keys)
        super().write(connection, {key: value for key, value in row.items() if key in keys}, batch)  # type: ignore[operator]


class AsciiOnly(Table):
    """Writes what it can't write as question marks."""

    def write(self, connection: sqlite3.Connection, row: dict[str, Any], batch: Batch) -> None:
        plain = {key: value.encode("ascii", "replace").decode() if isinstance(value, str) else value for key, value in row.items()}
        super().write(connection, plain, batch)


class TooFewOutcomes(Table):
    """Says one thing of all rows."""

    def deliver(self, batch: Batch) -> Delivery:
        super().deliver(batch)
        return Delivery((Outcome.delivered(),))


class ChangesTheFrame(Table):
    """Renames the columns of the batch it was lent."""

    def deliver(self, batch: Batch) -> Delivery:
        delivery = super().deliver(batch)
        batch.frame.columns = [name.upper() for name in batch.frame.columns]
        return delivery


class Prints(Table):
    """Tells the terminal what it does."""

    def deliver(self, batch: Batch) -> Delivery:
        print("writing", next(rows_of(batch)))
        return super().deliver(batch)


class Logs(Table):
    """Tells the log what it does."""

    def deliver(self, batch: Batch) -> Delivery:
        import logging

        logging.getLogger(__name__).warning("writing %s", next(rows_of(batch)))
        return super().deliver(batch)


class LeavesAThread(Table):
    """Starts a thread and forgets it."""

    def deliver(self, batch: Batch) -> Delivery:
        threading.Thread(target=threading.Event().wait, args=(20,), daemon=True, name="forgotten").start()
        return super().deliver(batch)


class PreviewWrites(Table):
    """Shows by doing."""

    def preview(self, batch: Batch) -> str:
        with self._opened() as connection:
            connection.commit()
        return super().preview(batch)


class OneFilePerResponse(Destination):
    """A file per response, replaced as a whole: an old worker that wakes up late brings an older revision back."""

    kind = "files"
    guarantee = "exactly_once"
    supports = frozenset({"upsert"})
    keyed = True
    Config = type("Config", (DestinationConfig,), {"__annotations__": {"folder": Path}, "folder": Field(description="Where.")})

    def probe(self) -> ProbeReport:
        return ProbeReport("There is a folder.")

    def preview(self, batch: Batch) -> str:
        return "\n".join(json.dumps(row, default=str, ensure_ascii=False) for row in rows_of(batch))

    def deliver(self, batch: Batch) -> Delivery:
        for row in rows_of(batch):
            path = self.config.folder / row["_response_id"]
            if path.exists() and json.loads(path.read_text())["_revision"] > row["_revision"]:
                continue
            fresh = path.with_suffix(f".{os.getpid()}.tmp")
            fresh.write_text(json.dumps(row, default=str, ensure_ascii=False))
            self.context.guard()
            fresh.replace(path)
        return Delivery.complete(batch)


class AppendsToAFile(OneFilePerResponse):
    """Appends lines and remembers afterwards that it did."""

    supports = frozenset()
    keyed = False

    def deliver(self, batch: Batch) -> Delivery:
        if self.context.recall("last batch") != batch.batch_no:
            self.context.guard()
            with (self.config.folder / "all").open("a", encoding="utf-8") as file:
                file.writelines(json.dumps(row, default=str, ensure_ascii=False) + "\n" for row in rows_of(batch))
            self.context.remember("last batch", batch.batch_no)
        return Delivery.complete(batch)


class ProbeSeesNothing(OneFilePerResponse):
    """Finds everything in order without looking."""


class SwallowsErrors(Poster):
    """Takes every failure for a success."""

    def send(self, text: str, key: str) -> Outcome:
        try:
            return super().send(text, key)
        except DeliveryError:
            return Outcome.delivered()


class NoMarker(Poster):
    """Claims what only the receiver could do."""

    guarantee = "exactly_once"
    supports = frozenset()
    deletes = ()


class RemembersAfterwards(Poster):
    """Remembers what it sent, but only after it was sent."""

    guarantee = "exactly_once"
    supports = frozenset()
    deletes = ()

    def send(self, text: str, key: str) -> Outcome:
        if self.context.recall(key) is None:
            outcome = super().send(text, key)
            self.context.remember(key, outcome.state)
        return Outcome.delivered()


class NewKeyEachTime(Poster):
    """Sends a key by which nothing can be recognised."""

    def key(self, batch: Batch, row: dict[str, Any]) -> str:
        return str(uuid.uuid4())


class OneKeyForAll(Poster):
    """Sends a key by which too much is recognised."""

    def key(self, batch: Batch, row: dict[str, Any]) -> str:
        return str(batch.integration_id)


class Sleeps(Poster):
    """Waits itself."""

    def status(self, exc: urllib.error.HTTPError) -> int:
        if exc.code == 429:
            time.sleep(float(exc.headers["Retry-After"]))
        return super().status(exc)


class DoesNotListen(Poster):
    """Comes again at once, whatever the receiver asks for."""

    def status(self, exc: urllib.error.HTTPError) -> int:
        if exc.code == 429:
            raise TryLater("Too many.")
        return super().status(exc)


class TriesAgain(Poster):
    """Does what the core does."""

    def send(self, text: str, key: str) -> Outcome:
        try:
            return super().send(text, key)
        except TryLater:
            return super().send(text, key)


class SaysSurelyNot(Poster):
    """Takes a lost answer for a request that was never made."""

    def send(self, text: str, key: str) -> Outcome:
        try:
            return super().send(text, key)
        except TryLater as exc:
            raise TryLater(str(exc), after=exc.after) from None


class GivesUpForGood(Poster):
    """Refuses for ever what failed once."""

    def status(self, exc: urllib.error.HTTPError) -> int:
        return exc.code


class HasNoTimeLimit(Poster):
    """Waits as long as it takes."""

    def _request(self, method: str, body: bytes | None, headers: dict[str, str]) -> int:
        object.__setattr__(self.config, "timeout_seconds", 2)
        return super()._request(method, body, headers)


class ReadsItAll(Poster):
    """Reads answers to their end."""

    def _request(self, method: str, body: bytes | None, headers: dict[str, str]) -> int:
        request = urllib.request.Request(self.config.url, body, headers, method=method)
        try:
            with urllib.request.build_opener(NoRedirects).open(request, timeout=0.5) as answer:
                read = 0
                while piece := answer.read(2**20):
                    read += len(piece)
                    if read > 2**26:  # the machine of the test has an end, too
                        raise TryLater("Too long.", unknown=True)
                return int(answer.status)
        except OSError:
            raise TryLater("No answer.", unknown=True) from None


class Follows(Poster):
    """Goes wherever it is sent."""

    def status(self, exc: urllib.error.HTTPError) -> int:
        if exc.code == 302:
            with urllib.request.urlopen(exc.headers["Location"], timeout=5) as answer:
                return int(answer.status)
        return super().status(exc)


class LeaksTheSecret(Poster):
    """Shows the operator with which token it was."""

    def status(self, exc: urllib.error.HTTPError) -> int:
        raise Blocked(f"The token {self.context.secret(self.config.token)} is not valid.", fix="Correct it.")


class LeaksAnAnswer(Poster):
    """Shows what the receiver said, which is what it was sent."""

    def send(self, text: str, key: str) -> Outcome:
        outcome = super().send(text, key)
        return outcome if outcome.state == "delivered" else Outcome.refused(f"It refused {text}")


class OutcomesInAnyOrder(Poster):
    """Says the right things of the wrong rows."""

    def deliver(self, batch: Batch) -> Delivery:
        return Delivery(super().deliver(batch).outcomes[::-1])


class SaysLater(Messenger):
    """Says `later` of rows it has sent."""

    def one(self, batch: Batch, row: dict[str, Any]) -> Outcome:
        outcome = super().one(batch, row)
        return outcome if batch.purpose == "retry" else Outcome.later("Not now.")


class RaisesItsOwn(Poster):
    """Lets errors of its own out."""

    def status(self, exc: urllib.error.HTTPError) -> int:
        meanings = {404: 404, 422: 422}
        return meanings[exc.code]


class AnyConfig(DestinationConfig):
    """Takes whatever comes."""

    path: Any = Field(description="File.")


class BelievesItsConfig(Table):
    """Finds out about nonsense when it meets it."""

    Config = AnyConfig  # type: ignore[assignment]


class BelievesItTookAll(Bulk):
    """Does not read which rows the receiver took."""

    def outcomes(self, rows: list[dict[str, Any]]) -> Iterator[Outcome]:
        return iter([Outcome.delivered()] * len(rows))


class NotesAfterwards(Messenger):
    """Notes what it sent when it has sent it."""

    def one(self, batch: Batch, row: dict[str, Any]) -> Outcome:
        key = row["_response_id"]
        if key in self.context.notes([key]):
            return Outcome.delivered()
        self.context.guard()
        outcome = self.send(self.text(row), key)
        self.context.note([Note(key, "sent")])
        return outcome


class NotesAnswers(Messenger):
    """Keeps the answers of others in its journal."""

    def send(self, text: str, key: str) -> Outcome:
        self.context.note([Note(f"{key} text", "sending", detail={"text": text})])
        return super().send(text, key)

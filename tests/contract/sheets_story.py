"""One story of a form and its sheet: responses come, people act, everything fails, and at the end every response stands there once."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, cast

from collect_pipelines.destinations.google_sheets import GoogleSheets
from collect_pipelines.destinations.interface import Batch, Column
from collect_pipelines.errors import LeaseLost, TryLater
from collect_pipelines.local.sheets.errors import ApiError, InvalidRequest
from collect_pipelines.local.sheets.people import People
from collect_pipelines.local.sheets.testing import Fault, RunningServer
from tests.contract.google_sheets_fakes import Crash, Desk, MemoryContext, again, column, entry
from tests.contract.sheets_people import REMARK, Persons, ids_of, layout_of

__all__ = ["FAULTS", "Response", "Story", "World"]

RETRY_SECONDS = 30.0  # the core waits a little longer each time; the story's clock costs nothing
LATE_SECONDS = 180.0  # Google's limit on a request: no copy lands later than that
MOST_TRIES = 40
FENCED = ("remember", "allocate", "guard")  # what the core refuses to a worker whose lease another one has
MOST_COLUMNS = 14  # questions of the form
EDIT = "spreadsheets.values.batchUpdateByDataFilter"
UPDATES = frozenset({"spreadsheets.batchUpdate", EDIT})

FAULTS: dict[str, dict[str, Any]] = {
    "503 before": {"status": 503},
    "502 page": {"shown": "html"},
    "cut before": {"shown": "cut"},
    "500 after": {"applied": "yes", "status": 500},
    "cut after": {"applied": "yes", "shown": "cut"},
    "half an answer": {"applied": "yes", "shown": "truncated"},
    "garbage": {"applied": "yes", "shown": "garbled"},
    "late": {"applied": "held", "shown": "cut"},
    "late, and an error": {"applied": "held", "status": 504},
    "429": {"status": 429},
}


@dataclass
class Response:
    """What a respondent said last."""

    response_id: str
    revision: int
    answers: dict[str, Any]
    deleted: bool = False


class World(Desk):
    """A desk whose workers live by the story's clock, die when told, and fill a spreadsheet at `most_cells`."""

    now: float = 0.0
    most_cells: int | None = None
    dies_at: int | None = None
    steps: int = 0

    def context(self) -> MemoryContext:
        """A context that dies at the step it is told to."""
        made = super().context()
        if self.most_cells is not None:
            made.settings["sheets_cells_per_spreadsheet"] = str(self.most_cells)
        made.step = lambda name: self._step(made, name)
        return made

    def worker(self, context: MemoryContext | None = None) -> GoogleSheets:
        """A new worker."""
        made = super().worker(context)
        made.clock = lambda: self.now
        return made

    def _step(self, context: MemoryContext, name: str) -> None:
        """What the core is asked for; who lost the lease may keep nothing and send nothing any more."""
        if context.lease_lost and name.split()[0] in FENCED:
            raise LeaseLost
        self.steps += 1
        if self.dies_at is not None and self.steps >= self.dies_at:
            self.dies_at = None
            raise Crash(name)


@dataclass
class Story:
    """Steps of the story are its methods; `finish` says whether it ended well."""

    server: RunningServer
    title: str = "Household survey"
    config: dict[str, Any] = field(default_factory=dict)
    on_delete: str = "tombstone"
    most_cells: int | None = None
    responses: dict[str, Response] = field(default_factory=dict)
    columns: list[Column] = field(default_factory=lambda: [column("name"), column("age", "integer")])
    pending: dict[str, dict[str, Any]] = field(default_factory=dict)
    position: int = 0
    batches: int = 0
    held_until: float | None = None
    deleted_rows: str = "respect"
    wanted_again: dict[str, set[int]] = field(default_factory=dict)
    """Responses whose row a person deleted: how often they may stand there now."""
    log: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.world = World(self.server, title=self.title, config={"deleted_rows": self.deleted_rows} | self.config)
        self.world.most_cells = self.most_cells
        self.world.now = self.server.service.clock.now()
        self.persons = Persons(self.files, self._row_deleted, self._edit_on_its_way)
        self._worker: GoogleSheets | None = None
        self._open: Batch | None = None
        self._tries = 0
        self._pause = RETRY_SECONDS
        self._alive: set[str] = set()
        self._failures: list[Exception] = []

    # What respondents and the author of the form do

    def submit(self, count: int = 1) -> None:
        """New responses."""
        for _ in range(count):
            self.position += 1
            self._write(Response(f"r{self.position}", 1, self._answers(f"Name {self.position}")), "create")

    def edit(self, number: int = 0) -> None:
        """A respondent changes the answers."""
        living = [one for one in self.responses.values() if not one.deleted]
        if living:
            one = living[number % len(living)]
            self.position += 1
            self._write(Response(one.response_id, one.revision + 1, self._answers(f"Changed {self.position}")), "edit")

    def delete(self, number: int = 0) -> None:
        """A response is deleted."""
        living = [one for one in self.responses.values() if not one.deleted]
        if living:
            one = living[number % len(living)]
            self.position += 1
            self._write(Response(one.response_id, one.revision + 1, {}, deleted=True), "delete")

    def ask(self) -> None:
        """The form gets a new question."""
        number = len(self.columns)
        if number < MOST_COLUMNS:
            self.columns = [*self.columns, column(f"extra_{number}")]

    # What happens to the delivery

    def deliver(self) -> bool:
        """One attempt of the open batch, or of a new one; True when it is delivered."""
        batch = self._batch()
        if batch is None:
            return True
        worker = self.worker
        if self._attempt(worker, batch):
            return True
        self.advance(self._pause)
        return self._open is not batch  # another worker may have delivered it meanwhile

    def _attempt(self, worker: GoogleSheets, batch: Batch) -> bool:
        self._tries += 1
        self._pause = RETRY_SECONDS
        try:
            worker.deliver(again(batch, self._tries))
        except TryLater as later:
            self._pause = max(later.after or 0.0, RETRY_SECONDS)
            return False
        except LeaseLost:
            return False
        except Crash:
            self._worker = None if worker is self._worker else self._worker
            return False
        if worker is not self._worker:
            return False  # the end of a delivery is fenced too
        told = batch.frame.select("_response_id", "_operation").iter_rows()
        self._alive |= {response for response, operation in told if operation != "delete"}
        self._open, self._tries = None, 0
        return True

    def until_delivered(self) -> None:
        """Attempts until everything is delivered."""
        for _ in range(MOST_TRIES):
            if self.deliver() and not self.pending:
                return
        raise AssertionError(f"not delivered in {MOST_TRIES} tries")

    def fault(self, name: str, *, skip: int = 0, times: int | None = 1) -> None:
        """Some write fails in one of the ways of FAULTS."""
        self.server.faults.add(Fault(operations=UPDATES, skip=skip, times=times, **FAULTS[name]))
        if FAULTS[name].get("applied") == "held":
            self.held_until = self.world.now + LATE_SECONDS

    def crash(self, step: int) -> None:
        """The worker dies at the n-th thing it asks of the core from now on."""
        self.world.dies_at = self.world.steps + step

    @contextmanager
    def meanwhile(self, act: Callable[[], None], call: int) -> Iterator[None]:
        """Lets something happen right before the n-th call of the block (from 0) is carried out."""
        seen = 0

        def hook(operation: str) -> None:
            nonlocal seen
            seen += 1
            if seen == call + 1:
                try:
                    act()
                except (
                    AssertionError,
                    LookupError,
                    InvalidRequest,
                    ApiError,
                ) as exc:  # told in the end: here the server would make an answer of it
                    self._failures.append(exc)

        with self.server.meanwhile(hook):
            yield

    def second_worker(self) -> None:
        """Another worker takes the same batch, as after a lease that ran out while a call of its owner was on its way."""
        if self._open is not None:
            cast("MemoryContext", self.worker.context).lease_lost = True
            self._worker = self.world.worker()
            self._attempt(self._worker, self._open)

    def advance(self, seconds: float) -> None:
        """Time goes by; copies that are under way land before Google would have given them up."""
        self.world.now += seconds
        self.server.service.clock.advance(seconds)
        if self.held_until is not None and self.world.now >= self.held_until:
            self.land()

    def land(self) -> None:
        """Every copy that is under way lands."""
        self.server.land_held()
        self.held_until = None

    def outage(self, seconds: float = 3600.0) -> None:
        """Nothing of Google answers for so long."""
        self.land()
        self.server.faults.begin_outage(seconds=seconds)

    @property
    def worker(self) -> GoogleSheets:
        """The worker that lives."""
        if self._worker is None:
            self._worker = self.world.worker()
        return self._worker

    # What must be true in the end

    def finish(self) -> None:
        """All troubles end, everything is delivered, and every response stands in the sheet as often as it should."""
        self.server.faults.clear()
        self.world.dies_at = None
        self.until_delivered()
        self.land()
        self.world.close()
        assert not self._failures
        self.check()

    def check(self) -> None:
        """0 lost, 0 doubled, 0 wrong cells, people's own cells untouched."""
        found: dict[str, list[dict[str, Any]]] = {}
        remarks: dict[str, str] = {}
        notes: list[str] = []
        for person in self.files():
            workbook = person.workbook
            for title, values in self.persons.copies_in(workbook).items():
                assert person.values(title) == values, "a copy that people made changed"
            for tab in self.persons.tabs(workbook):
                layout, ids = layout_of(workbook, tab), ids_of(workbook, tab)
                rows = person.values(tab.title)
                header, below = (rows[0], rows[1:]) if rows else ([], [])
                own = header.index(REMARK) if REMARK in header else None
                for name, text in self.persons.renamed.items():
                    if name in layout and len(self.files()) == 1:
                        assert header[layout[name]] == text
                for index, row in enumerate(below, 1):
                    cells = row + [""] * (tab.column_count - len(row))
                    stray = {place: cell for place, cell in enumerate(cells) if cell != "" and place not in {*layout.values(), own}}
                    assert not stray, f"values in columns of people: {stray}"
                    remark = cells[own] if own is not None else ""
                    if index in ids:
                        found.setdefault(ids[index], []).append({name: cells[place] for name, place in layout.items()})
                        if remark:
                            remarks[ids[index]] = remark
                    elif remark:
                        notes.append(remark)
                        mine = [cells[place] for place in layout.values()]
                        assert not any(cell != "" for cell in mine), f"values in a row of people: {mine}"
        self._check_rows(found)
        lost = {response: text for response, text in self.persons.remarks.items() if remarks.get(response) != text and response in found}
        assert not lost, f"remarks that are gone or elsewhere: {lost}"
        assert sorted(notes) == sorted(self.persons.notes + self._orphans(found))

    def _check_rows(self, found: dict[str, list[dict[str, Any]]]) -> None:
        assert set(found) <= set(self.responses), f"nobody sent {set(found) - set(self.responses)}"
        for response in self.responses.values():
            rows = found.get(response.response_id, [])
            assert len(rows) in self._allowed(response), f"{response.response_id} stands there {len(rows)} times"
            for row in rows:
                assert self._is_right(row, response), f"{row} is not {response}"

    def _allowed(self, response: Response) -> set[int]:
        if response.deleted and self.on_delete in ("clear", "delete"):
            return {0}
        if response.response_id in self.wanted_again:
            return self.wanted_again[response.response_id]
        if response.deleted:
            return {1} if response.response_id in self._alive else {0}
        return {1}

    def _is_right(self, row: dict[str, Any], response: Response) -> bool:
        if response.deleted:
            answers = [cell for name, cell in row.items() if not name.startswith("_")]
            return row["_revision"] == f"{response.revision} (deleted)" and not any(answers)
        told = {name: cell for name, cell in row.items() if not name.startswith("_")}
        wanted = {name: response.answers.get(name, "") for name in told}
        missing = {one.key for one in self.columns} - set(told) - self.persons.deleted_columns
        return told == wanted and row["_revision"] == response.revision and not (missing & set(response.answers))

    def _orphans(self, found: dict[str, list[dict[str, Any]]]) -> list[str]:
        """What people wrote beside responses whose rows were cleared: it stays, in a row without a response."""
        if self.on_delete == "delete":
            return []
        return [text for response, text in self.persons.remarks.items() if response not in found]

    # The core's part

    def files(self) -> list[People]:
        """People at each of the spreadsheets."""
        stored: Any = self.world.postgres.memory.get((self.world.integration_id, "files"), [])
        known = [one["spreadsheet"] for one in stored]
        return [self.server.people(one) for one in known if self.server.library.find(one) is not None]

    def _edit_on_its_way(self) -> bool:
        return EDIT in self.server.service.held or self.server.faults.waiting > 0

    def _row_deleted(self, response: str) -> None:
        """A person deleted its row: it stays away, unless a policy brings it back with the next edit; one may be on its way."""
        open_rows = self._open.frame.select("_response_id", "_operation").iter_rows() if self._open is not None else []
        coming = response in self.pending or (response, "edit") in list(open_rows)
        self.wanted_again[response] = {0, 1} if coming and self.deleted_rows == "refill" else {0}

    def _answers(self, name: str) -> dict[str, Any]:
        answers: dict[str, Any] = {"name": name, "age": self.position}
        return answers | {one.key: f"{one.key} {self.position}" for one in self.columns[2:]}

    def _write(self, response: Response, operation: str) -> None:
        self.responses[response.response_id] = response
        if response.response_id in self.wanted_again and self.deleted_rows == "refill":
            # a deletion brings nothing back, and finds a row only if one is there
            self.wanted_again[response.response_id] = {0, 1} if response.deleted else {1}
        answers = [response.answers.get(one.key) for one in self.columns]
        row = entry(response.response_id, self.position, *answers, revision=response.revision, operation=operation)
        self.pending.pop(response.response_id, None)
        self.pending[response.response_id] = row

    def _batch(self) -> Batch | None:
        if self._open is None and self.pending:
            rows: Sequence[dict[str, Any]] = [dict(row) for row in self.pending.values()]
            self.pending = {}
            self.batches += 1
            known = frozenset(row["_response_id"] for row in rows) & self._alive
            fields = {"on_delete": self.on_delete, "known": known}
            self._open = self.world.batch(*rows, columns=tuple(self.columns), number=self.batches, **fields)
        return self._open

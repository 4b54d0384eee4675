"""The post-collect plug-in interface. Entry-point group `collect_pipelines.destinations`."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol

from pydantic import BaseModel, ConfigDict

from collect_pipelines.errors import Blocked, DeliveryError
from collect_pipelines.forms.columns import META_COLUMNS, Column
from collect_pipelines.model import JsonValue, Purpose, QuotaBucket

if TYPE_CHECKING:
    import polars

__all__ = [
    "META_COLUMNS",
    "Batch",
    "Capability",
    "Column",
    "Context",
    "Delivery",
    "Destination",
    "DestinationConfig",
    "Guarantee",
    "Held",
    "KnownProblem",
    "Note",
    "Notice",
    "OnDelete",
    "Outcome",
    "ProbeReport",
]

Guarantee = Literal["exactly_once", "at_least_once", "at_most_once"]
Capability = Literal["upsert", "delete", "append", "read_back"]
"""
`upsert`: an edit changes the row of its response. `delete`: a deletion shows. `append`: every revision can be a row of its own.
`read_back`: it can say which responses it holds, so that ledger and destination can be compared.
"""
OnDelete = Literal["delete", "tombstone", "clear", "ignore"]
"""
What a deletion does: `delete` removes the row, `tombstone` empties its answers and says so, `clear` empties all of it, `ignore`
leaves it as it was (the core then hands no deletion to the destination).
"""


class DestinationConfig(BaseModel):
    """Base of every destination's configuration: unknown keys are refused, field descriptions are the documentation."""

    model_config = ConfigDict(extra="forbid", frozen=True)


@dataclass(frozen=True, slots=True)
class Batch:
    """
    A frozen micro-batch: the newest revision per response between two positions, in position order.

    After a crash the same batch comes again with the same number, membership, digest and content, byte for byte.
    """

    form: str
    """Reference of the form, e.g. `household` (or `organization.household`)."""
    form_title: str
    integration_id: int
    batch_no: int
    from_position: int
    to_position: int
    digest: str
    """SHA-256 (hex) over the rendered content."""
    columns: tuple[Column, ...]
    """What the integration's mapping chose, under the headings and in the order it chose."""
    frame: "polars.DataFrame"
    """META_COLUMNS with a leading underscore, then one column per entry of `columns`; see docs/rendering.md for types."""
    attempt: int = 1
    """Starts at 1; more than 1 means an earlier attempt may have been applied."""
    append_only: bool = False
    """True: every revision is a row of its own, several rows may have one `_response_id`; nothing is edited or removed."""
    on_delete: OnDelete = "tombstone"
    """What a row with `_operation` = `delete` means; one of the kind's `deletes`."""
    language: str | None = None
    labels: bool = True
    """False: people here want the codes of choices instead of their labels."""
    time_zone: str = "UTC"
    """IANA name: where moments are shown to people."""
    purpose: Purpose = "live"
    known: frozenset[str] = frozenset()
    """Responses of the batch of which an earlier revision was delivered: a row was there once. For kinds that ask (`asks_known`)."""


@dataclass(frozen=True, slots=True)
class Notice:
    """Something a person should know although deliveries go on."""

    code: str
    """Stable, e.g. `google_sheets.column_deleted`."""
    message: str
    """Plain words; no answers, no secrets."""
    fix: str | None = None


@dataclass(frozen=True, slots=True)
class KnownProblem:
    """What docs/problems.md says of a code that a `Blocked` or a `Notice` carries."""

    code: str
    """Begins with the kind, e.g. `google_sheets.not_shared`."""
    seen: str
    cause: str
    fix: str
    meanwhile: str
    """What goes on in spite of it."""
    stops: bool = True
    """False: it is a notice, and deliveries go on."""


@dataclass(frozen=True, slots=True)
class Held:
    """One row that a destination holds, as `read_back` found it."""

    response_id: str
    revision: int | None
    """0 when what stands there is none; None where the destination keeps none: then only is compared whether the row is there."""
    deleted: bool = False
    """It stands there as deleted: a tombstone."""
    place: str = ""
    """Where, for a person: e.g. `Household!A12`."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one row."""

    state: Literal["delivered", "skipped", "refused", "unknown", "later"]
    reason: str | None = None
    after: float | None = None
    """For `later` and `unknown`: seconds until it should be tried, or looked up, again by itself."""
    aside: bool = False
    """For `later`: the wait is this row's own, so that nothing that comes after waits with it."""

    @classmethod
    def delivered(cls) -> "Outcome":
        """The row's effect is in the destination, once."""
        return _DELIVERED

    @classmethod
    def refused(cls, reason: str) -> "Outcome":
        """The receiver will never take this row; `reason` is shown to operators and holds no answer."""
        return cls("refused", reason)

    @classmethod
    def skipped(cls, reason: str) -> "Outcome":
        """A rule of the integration says that this row has no effect there, e.g. its number has opted out. Counted as filtered."""
        return cls("skipped", reason)

    @classmethod
    def unknown(cls, reason: str, *, after: float | None = None) -> "Outcome":
        """
        The row may or may not have had its effect, and it can't be found out now.

        after: the core hands the row in again then, so that the destination can look it up; None leaves it to a person.
        """
        return cls("unknown", reason, after)

    @classmethod
    def later(cls, reason: str, *, after: float | None = None, aside: bool = False) -> "Outcome":
        """
        The row surely had no effect yet and should be tried again, after so many seconds or when the core's schedule says.

        A later row that others overtook is set aside and tried by itself; those at the end of the batch stay in the log, and what is
        new waits behind them. aside: the reason is about this row alone, so it is set aside at the end of the batch as well.
        """
        return cls("later", reason, after, aside)


_DELIVERED = Outcome("delivered")


@dataclass(frozen=True, slots=True)
class Delivery:
    """Result of `deliver`: exactly one outcome per row of the frame, in order, and what it cost."""

    outcomes: tuple[Outcome, ...]
    api_calls: int = 0
    sent_bytes: int = 0
    quota_wait_seconds: float = 0.0
    notices: tuple[Notice, ...] | None = None
    """All that a person should know of now; None: as it was said last time."""

    @classmethod
    def complete(cls, batch: Batch, *, api_calls: int = 0, sent_bytes: int = 0) -> "Delivery":
        """Every row delivered."""
        return cls((Outcome.delivered(),) * batch.frame.height, api_calls=api_calls, sent_bytes=sent_bytes)


@dataclass(frozen=True, slots=True)
class ProbeReport:
    """What `probe` found: facts an operator wants to see, e.g. `{"spreadsheet": "...", "url": "..."}`."""

    summary: str
    facts: dict[str, JsonValue] = field(default_factory=dict)
    url: str | None = None
    """Where a person looks at the result."""


@dataclass(frozen=True, slots=True)
class Note:
    """A line of an integration's journal: what is known of one effect outside, e.g. one SMS."""

    key: str
    """Unique in the integration; say which response and revision it is for."""
    state: str
    """A word of the kind's own, e.g. `sending`, `sent`, `unknown`."""
    reference: str | None = None
    """The receiver's own name for the effect, to look it up by."""
    subject: str | None = None
    """Whom it concerns, as a digest: never an address or a name."""
    detail: dict[str, JsonValue] = field(default_factory=dict)
    """Facts for operators; no answers, no secrets."""
    created_at: datetime | None = None
    """Set by the journal; aware, UTC."""
    updated_at: datetime | None = None
    anew: bool = False
    """The effect is attempted afresh: from now on the line counts as first written now."""
    over: tuple[str, ...] | None = None
    """Only in the place of a line in one of these states (or of none); else the line that is there stays. None: of any."""


class Context(Protocol):
    """What the core lends a destination: memory, numbers, quota, a journal and secrets. All of it lives in Postgres."""

    integration_id: int
    integration: str
    form: str

    def recall(self, name: str) -> JsonValue:
        """What was last remembered under this name for this integration; None if nothing was."""

    def remember(self, name: str, value: JsonValue) -> None:
        """Keeps a value for this integration; committed when the call returns."""

    def allocate(self, scope: str, name: str) -> int:
        """A number >= 1, unique in the scope; the same (scope, name) gets the same number for ever."""

    def take_quota(self, buckets: Sequence[QuotaBucket], *, background: bool = False) -> float:
        """
        Takes one token of every bucket and returns 0.0, or takes none and returns the seconds until its turn comes.

        A bucket that is listed several times gives so many tokens, its burst at most. Integrations that wait for the same bucket get
        its tokens by turns, each by its weight; background: after all that is live, as batches of a backfill or replay always are.
        """

    def choose_quota(self, choices: Sequence[Sequence[QuotaBucket]], *, background: bool = False, begun: bool = False) -> tuple[int, float]:
        """
        As `take_quota`, for that one of several lists of buckets which can be had first: its place in `choices`, and the wait.

        begun: in the middle of a sequence of calls. It goes before everybody, and the core waits out what is short.
        """

    def settle_quota(self, buckets: Sequence[QuotaBucket], held_seconds: float, *, used: bool) -> None:
        """
        Tells of tokens that were not used as soon as they were taken, so many seconds ago.

        used: they are used now, and count in the receiver's minute of now; False gives them back.
        """

    def drain_quota(self, buckets: Sequence[QuotaBucket], seconds: float) -> None:
        """The receiver said "too many": empties the buckets for so many seconds and halves their rate for a while."""

    def notes(self, keys: Sequence[str]) -> dict[str, Note]:
        """The journal's lines with these keys, by key; without those it does not have."""

    def note(self, notes: Sequence[Note]) -> None:
        """
        Writes lines of the journal, each in the place of the earlier one with its key; committed when the call returns.

        All at once or none; `Note.over` says which lines may be replaced. Raises LeaseLost when another worker took over.
        """

    def noted_since(self, seconds: float, *, states: Sequence[str], subject: str | None = None) -> int:
        """How many lines in one of these states were first written within the last so many seconds; of one subject when it is given."""

    def opted_out(self, channel: str, addresses: Sequence[str]) -> frozenset[str]:
        """Those of the addresses that the organization must not write to on this channel, e.g. `sms`."""

    def secret(self, reference: str) -> str:
        """
        The secret behind `env:NAME`, `file:PATH`, `stored:NAME` or `connection:NAME` (a connected account of the organization).

        Raises Blocked naming the reference when it is missing.
        """

    def secret_refused(self, reference: str, reason: str) -> str | None:
        """
        The receiver does not accept this secret any more, as it was last read here: a person has to connect the account anew.

        Whoever else uses the connection is told. What the person has to do; None when the reference is no connection.
        """

    def setting(self, name: str) -> str:
        """A setting of this installation as text, e.g. `warehouse_path`. Raises KeyError for a name that does not exist."""

    def guard(self) -> None:
        """Call right before every write outside: raises LeaseLost when another worker took over."""


class Destination(ABC):
    """
    One kind of receiver.

    `deliver` is called by one worker at a time per integration, with 1..max_rows rows in position order. The same batch may
    come again after a crash and must then leave the effect that `guarantee` declares. It raises TryLater (the whole batch,
    later), Blocked (a person is needed) or Refused (never as it is). It never sleeps, retries, remembers outside its
    context, or logs and raises.
    """

    kind: ClassVar[str]
    Config: ClassVar[type[DestinationConfig]] = DestinationConfig
    guarantee: ClassVar[Guarantee]
    supports: ClassVar[frozenset[Capability]] = frozenset()
    deletes: ClassVar[tuple[OnDelete, ...]] = ()
    """What a deletion can do here besides `ignore`, the usual first; empty when `supports` has no `delete`."""
    keyed: ClassVar[bool] = False
    """
    True: effects are keyed by response, so that a response that comes again in another batch has no second effect. A batch of
    uncertain outcome may then be sent in other pieces; otherwise only exactly as it was.
    """
    asks_known: ClassVar[bool] = False
    """True: `Batch.known` is filled in, at the cost of a look into the log for batches with edits."""
    values: ClassVar[Literal["display", "typed"]] = "typed"
    """`display`: what people read (labels, joined choices). `typed`: what machines read (codes, lists, timestamps)."""
    code_lists: ClassVar[bool] = False
    """
    Of a kind that takes `display`. True: a select_multiple comes as the list of its codes all the same, with `other: ` before own words
    and before what is no such list; the kind makes of it what `Batch.labels` says.
    """
    max_rows: ClassVar[int] = 1000
    max_bytes: ClassVar[int] = 1_900_000
    """Upper bound of a batch, in bytes of the answers as stored."""
    min_interval_seconds: ClassVar[float] = 0.0
    """Least time between two batches of one integration: larger for receivers with a high fixed cost per batch."""
    calls_per_minute: ClassVar[float | None] = None
    """Calls its receiver usually allows in a minute, for estimates; None: no limit is known."""
    problems: ClassVar[tuple[KnownProblem, ...]] = ()
    """What its `Blocked` and `Notice` codes mean."""
    longest_wait_seconds: ClassVar[float] = 300.0
    """Most time between two attempts of a batch, unless the receiver asks for more."""

    def __init__(self, config: Any, context: Context) -> None:
        self.config = config
        self.context = context

    @classmethod
    def misfits(cls, config: Any, columns: Sequence[Column]) -> list[str]:
        """
        What the configuration names and the columns do not have, in words. Asked when an integration is added or changed.

        config: of the kind's Config. columns: what the mapping lets out.
        """
        return []

    @abstractmethod
    def probe(self) -> ProbeReport:
        """Proves access by using it. Raises Blocked with the reason and the fix in plain words."""

    @abstractmethod
    def preview(self, batch: Batch) -> str:
        """The exact cells or bytes this batch would become, as text; sends nothing."""

    @abstractmethod
    def deliver(self, batch: Batch) -> Delivery:
        """Sends the batch. One outcome per row, in order."""

    def shares(self) -> str | None:
        """
        A name of what one call could load together: integrations of the kind that say the same name may come in one call of
        `deliver_together`. None: each by itself.
        """
        return None

    @classmethod
    def deliver_together(cls, batches: "Sequence[tuple[Destination, Batch]]") -> "list[Delivery | DeliveryError]":
        """
        Sends batches of several integrations with the same `shares`; one result each, in order.

        An error in the list concerns its batch only; one that is raised, all of them.
        """
        results: list[Delivery | DeliveryError] = []
        for destination, batch in batches:
            try:
                results.append(destination.deliver(batch))
            except DeliveryError as exc:
                results.append(exc)
        return results

    def read_back(self) -> Iterator[Sequence[Held]]:
        """
        What is there, in chunks, in any order: every row that carries an id of ours. For kinds that support `read_back`.

        Never holds all of it in memory. Raises what `deliver` may raise; then the comparison is begun anew later.
        """
        raise Blocked(f"A destination of the kind {self.kind} can't be read back.", fix="Compare it by hand.")

    def remove_copies(self, copies: Sequence[tuple[str, int | None]]) -> int:
        """
        Removes the rows that `read_back` finds more than once, but for one each; how many rows that were.

        copies: a response, of which the row with its newest revision stays; or, with one row per revision, a response and the
        revision. Leaves rows without copies alone. Raises what `deliver` may raise; it can be repeated at any time.
        """
        raise Blocked(f"A destination of the kind {self.kind} can't remove rows that are there twice.", fix="Remove them by hand.")

    def close(self) -> None:  # noqa: B027 - optional: most destinations hold nothing
        """Releases connections and files; the object is not used afterwards."""

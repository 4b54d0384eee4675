"""The post-collect plug-in interface. Entry-point group `collect_pipelines.destinations`."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol

from pydantic import BaseModel, ConfigDict

from collect_pipelines.forms.columns import META_COLUMNS, Column
from collect_pipelines.model import JsonValue, QuotaBucket

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
    "Outcome",
    "ProbeReport",
]

Guarantee = Literal["exactly_once", "at_least_once", "at_most_once"]
Capability = Literal["upsert", "delete"]


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
    frame: "polars.DataFrame"
    """META_COLUMNS with a leading underscore, then one column per entry of `columns`; see docs/rendering.md for types."""
    attempt: int = 1
    """Starts at 1; more than 1 means an earlier attempt may have been applied."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one row."""

    state: Literal["delivered", "refused", "unknown"]
    reason: str | None = None

    @classmethod
    def delivered(cls) -> "Outcome":
        """The row's effect is in the destination, once."""
        return _DELIVERED

    @classmethod
    def refused(cls, reason: str) -> "Outcome":
        """The receiver will never take this row; `reason` is shown to operators and holds no answer."""
        return cls("refused", reason)

    @classmethod
    def unknown(cls, reason: str) -> "Outcome":
        """The row may or may not have had its effect, and it can't be found out."""
        return cls("unknown", reason)


_DELIVERED = Outcome("delivered")


@dataclass(frozen=True, slots=True)
class Delivery:
    """Result of `deliver`: exactly one outcome per row of the frame, in order, and what it cost."""

    outcomes: tuple[Outcome, ...]
    api_calls: int = 0
    sent_bytes: int = 0
    quota_wait_seconds: float = 0.0

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


class Context(Protocol):
    """What the core lends a destination: memory, numbers, quota and secrets. All of it lives in Postgres."""

    integration_id: int
    integration: str
    form: str

    def recall(self, name: str) -> JsonValue:
        """What was last remembered under this name for this integration; None if nothing was."""

    def remember(self, name: str, value: JsonValue) -> None:
        """Keeps a value for this integration; committed when the call returns."""

    def allocate(self, scope: str, name: str) -> int:
        """A number >= 1, unique in the scope; the same (scope, name) gets the same number for ever."""

    def take_quota(self, buckets: Sequence[QuotaBucket]) -> float:
        """Takes one token of every bucket and returns 0.0, or takes none and returns the seconds to wait."""

    def drain_quota(self, buckets: Sequence[QuotaBucket], seconds: float) -> None:
        """The receiver said "too many": empties the buckets for so many seconds and halves their rate for a while."""

    def secret(self, reference: str) -> str:
        """The secret behind `env:NAME` or `file:PATH`. Raises Blocked naming the reference when it is missing."""

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
    values: ClassVar[Literal["display", "typed"]] = "typed"
    """`display`: what people read (labels, joined choices). `typed`: what machines read (codes, lists, timestamps)."""
    max_rows: ClassVar[int] = 1000
    max_bytes: ClassVar[int] = 1_900_000
    """Upper bound of a batch, in bytes of the answers as stored."""
    min_interval_seconds: ClassVar[float] = 0.0
    """Least time between two batches of one integration: larger for receivers with a high fixed cost per batch."""

    def __init__(self, config: Any, context: Context) -> None:
        self.config = config
        self.context = context

    @abstractmethod
    def probe(self) -> ProbeReport:
        """Proves access by using it. Raises Blocked with the reason and the fix in plain words."""

    @abstractmethod
    def preview(self, batch: Batch) -> str:
        """The exact cells or bytes this batch would become, as text; sends nothing."""

    @abstractmethod
    def deliver(self, batch: Batch) -> Delivery:
        """Sends the batch. One outcome per row, in order."""

    def close(self) -> None:  # noqa: B027 - optional: most destinations hold nothing
        """Releases connections and files; the object is not used afterwards."""

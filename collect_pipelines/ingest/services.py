"""What the handlers of one ingest process share."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from collect_pipelines.ingest.attempts import AttemptRecorder
from collect_pipelines.ingest.authentication import Authenticator
from collect_pipelines.ingest.callbacks import CallbackDesk
from collect_pipelines.ingest.check_watch import CheckWatch
from collect_pipelines.ingest.forms import FormBook
from collect_pipelines.ingest.google_connect.desk import GoogleDesk
from collect_pipelines.ingest.housekeeping import Housekeeping
from collect_pipelines.ingest.recognition import FingerprintFinder
from collect_pipelines.ingest.threads import StoreThreads
from collect_pipelines.model import Accepted, Submission
from collect_pipelines.settings import Settings
from collect_pipelines.store.fingerprints import Finder
from collect_pipelines.telemetry.ingest_metrics import IngestMetrics

if TYPE_CHECKING:
    from collect_pipelines.ingest.health import Readiness

__all__ = ["ResponseWriter", "Services"]


class ResponseWriter(Protocol):
    """The durable log's writer as this room uses it; see collect_pipelines.store.writer.Writer."""

    @property
    def ready(self) -> bool:
        """True while it is connected and may store."""

    @property
    def durability_problems(self) -> tuple[str, ...]:
        """Settings of Postgres that would lose what it acknowledges; nothing is accepted while there are any."""

    async def start(self) -> None:
        """Connects in the background."""

    async def accept(self, submission: Submission) -> Accepted:
        """Returns only after the commit (promise 1). Raises Unavailable, OutcomeUnknown or DurabilityOff."""

    async def accept_many(self, submissions: Sequence[Submission]) -> list[Accepted]:
        """All of them in one transaction; one result each, in order."""

    async def stop(self) -> None:
        """Finishes what is in flight."""


@dataclass(slots=True)
class Services:
    """One per process; `stopping` is set when the process was asked to end."""

    threads: StoreThreads
    authenticator: Authenticator
    forms: FormBook
    writer: ResponseWriter
    metrics: IngestMetrics
    readiness: "Readiness"
    stopping: bool = False
    settings: Settings = field(default_factory=Settings)
    fingerprints: FingerprintFinder = field(init=False)
    attempts: AttemptRecorder = field(init=False)
    housekeeping: Housekeeping = field(init=False)
    check_watch: CheckWatch = field(init=False)
    callbacks: CallbackDesk = field(init=False)
    google: GoogleDesk = field(init=False)

    def __post_init__(self) -> None:
        self.fingerprints = Finder(self.threads.url)
        self.attempts = AttemptRecorder(self.threads, self.metrics)
        self.housekeeping = Housekeeping(self.threads)
        self.check_watch = CheckWatch(self.threads, self.forms, self.metrics)
        self.callbacks = CallbackDesk(self.threads, self.settings)
        self.google = GoogleDesk(self.threads, self.settings)

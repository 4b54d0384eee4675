"""One response between its parsing and its storing: what is asked of whom, by which rules."""

from dataclasses import dataclass

from collect_pipelines.ingest.envelope import Envelope
from collect_pipelines.ingest.forms import FormVersion, OpenForm
from collect_pipelines.model import Operation

__all__ = ["Incoming"]


@dataclass(frozen=True, slots=True)
class Incoming:
    """A response that is to be checked and stored, with the form version it is checked against."""

    form: OpenForm
    version: FormVersion
    envelope: Envelope
    response_id: str
    language: str | None
    operation: Operation = "create"
    replaces: int | None = None

"""Checked and stored as one step: checked again when a response that resembles it was stored in between."""

from dataclasses import replace

from collect_pipelines.ingest.accept import Checked, check, submission_of
from collect_pipelines.ingest.incoming import Incoming
from collect_pipelines.ingest.recognition import Recognition
from collect_pipelines.ingest.services import Services
from collect_pipelines.model import Accepted, Submission

__all__ = ["ROUNDS", "check_and_store", "check_incoming"]

ROUNDS = 3  # each further one needs another response to arrive within milliseconds; the last one stores in any case


async def check_and_store(services: Services, incoming: Incoming) -> tuple[Accepted, Checked]:
    """
    What became of it, and what its checks said. Raises Problem `answers-rejected` when they reject it.

    Two responses with one fingerprint may be checked at the same moment, neither knowing the other. The second one to be stored is
    sent back by the writer, under the lock of the form, and its checks are run again: they know the first one now.
    """
    for number in range(1, ROUNDS + 1):
        checked, submission = await check_incoming(services, incoming, number)
        accepted = await services.writer.accept(submission)
        if accepted.outcome != "overtaken":
            break
    return accepted, checked


async def check_incoming(services: Services, incoming: Incoming, number: int = 1) -> tuple[Checked, Submission]:
    """One round of checks, and the submission for the writer; in the last round one that is not sent back any more."""
    recognition = Recognition(services.fingerprints, incoming.form.form_id, incoming.response_id)
    checked = await check(incoming.version, incoming.envelope, incoming.response_id, incoming.language, services.metrics, recognition)
    if number == ROUNDS:
        checked = replace(checked, recognised=frozenset(one.name for one in checked.fingerprints))
    submission = submission_of(
        incoming.form, incoming.version, incoming.envelope, incoming.response_id, checked, incoming.operation, incoming.replaces
    )
    return checked, submission

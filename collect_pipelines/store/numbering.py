"""
What becomes of each submission of a commit group: numbered, replayed or refused. Plain arithmetic on what Postgres told.

It is only right while the rows of the forms it numbers are locked; `writer` sees to that.
"""

from dataclasses import dataclass, field
from datetime import datetime

from collect_pipelines.model import Accepted, FormState, Operation, Submission

__all__ = ["Entry", "FormHead", "Mark", "Numbering", "Revision"]

Mark = tuple[int, str, bytes]
"""A stored fingerprint: form, name and digest."""


@dataclass(slots=True)
class FormHead:
    """A locked form; `head` moves as entries are numbered."""

    head: int
    state: FormState


@dataclass(frozen=True, slots=True)
class Revision:
    """A stored revision of a response, as far as the decision needs it."""

    revision: int
    position: int
    operation: Operation
    version: int
    content_hash: bytes
    received_at: datetime
    unique_key: str | None


@dataclass(frozen=True, slots=True)
class Entry:
    """A submission with its place in the log."""

    submission: Submission
    position: int
    revision: int


@dataclass(slots=True)
class Numbering:
    """
    The state of one commit group. `judge` is called once per submission, in order; later ones see the earlier ones as stored.

    responses: the stored revisions, oldest first, by form and response id; taken: which response holds a unique key;
    known: which responses have a fingerprint.
    """

    forms: dict[int, FormHead]
    responses: dict[tuple[int, str], list[Revision]]
    taken: dict[tuple[int, str], str]
    received_at: datetime
    entries: list[Entry] = field(default_factory=list)
    known: dict[Mark, set[str]] = field(default_factory=dict)

    @property
    def heads(self) -> dict[int, int]:
        """The new head of each form that got an entry."""
        return {form_id: self.forms[form_id].head for form_id in {entry.submission.form_id for entry in self.entries}}

    def judge(self, submission: Submission) -> Accepted:
        """The outcome, true once the group has committed."""
        revisions = self.responses.get((submission.form_id, submission.response_id), [])
        # Promise 2: the same submission again is the same response, whatever happened to it since.
        for stored in revisions:
            if _same(submission, stored):
                return _answer("replayed", submission, stored)
        refused = self._refusal(submission, revisions)
        return refused if refused is not None else self._number(submission, revisions)

    def _refusal(self, submission: Submission, revisions: list[Revision]) -> Accepted | None:
        newest = revisions[-1] if revisions else None
        form = self.forms.get(submission.form_id)
        if form is None:
            return Accepted("form_closed", submission.response_id, detail="There is no such form.")
        if submission.operation == "create":
            if newest is not None:
                return _answer("erased" if newest.operation == "delete" else "conflict", submission, newest)
        elif newest is None:
            return Accepted("unknown_response", submission.response_id)
        elif newest.operation == "delete":
            return _answer("erased", submission, newest)
        elif submission.replaces != newest.revision:
            return _answer("revision_conflict", submission, newest)
        # A person's wish to have a response deleted is met by a closed form too.
        if form.state != "open" and submission.operation != "delete":
            return Accepted("form_closed", submission.response_id, detail=f"The form is {form.state}.")
        if submission.unique_key is not None:
            holder = self.taken.get((submission.form_id, submission.unique_key))
            if holder is not None and holder != submission.response_id:
                return Accepted("not_unique", submission.response_id)
        if submission.fingerprints and self._overtaken(submission):
            return Accepted("overtaken", submission.response_id)
        return None

    def _overtaken(self, submission: Submission) -> bool:
        """Whether a response with one of its fingerprints was stored that its checks did not hear of."""
        return any(
            holder != submission.response_id
            for one in submission.fingerprints
            if one.name not in submission.recognised
            for holder in self.known.get((submission.form_id, one.name, one.value), ())
        )

    def _number(self, submission: Submission, revisions: list[Revision]) -> Accepted:
        form = self.forms[submission.form_id]
        # Promise 3: the next number, under the lock of the form's row.
        form.head += 1
        earlier = revisions[-1] if revisions else None
        stored = Revision(
            revision=earlier.revision + 1 if earlier else 1,
            position=form.head,
            operation=submission.operation,
            version=submission.version,
            content_hash=submission.content_hash,
            received_at=self.received_at,
            unique_key=submission.unique_key,
        )
        if earlier is not None and earlier.unique_key is not None:
            self.taken.pop((submission.form_id, earlier.unique_key), None)
        if submission.unique_key is not None:
            self.taken[submission.form_id, submission.unique_key] = submission.response_id
        for one in submission.fingerprints:
            self.known.setdefault((submission.form_id, one.name, one.value), set()).add(submission.response_id)
        self.responses[submission.form_id, submission.response_id] = [*revisions, stored]
        self.entries.append(Entry(submission, stored.position, stored.revision))
        return _answer("accepted", submission, stored)


def _same(submission: Submission, stored: Revision) -> bool:
    """True when `stored` came from this very submission: an edit can only have become a revision after the one it replaces."""
    if stored.content_hash != submission.content_hash:
        return False
    return submission.operation == "create" or stored.revision > (submission.replaces or 0)


def _answer(outcome: str, submission: Submission, stored: Revision) -> Accepted:
    return Accepted(
        outcome,  # type: ignore[arg-type]
        submission.response_id,
        position=stored.position,
        revision=stored.revision,
        received_at=stored.received_at,
        version=stored.version,
    )

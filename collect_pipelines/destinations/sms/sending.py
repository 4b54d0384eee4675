"""One receipt at a time, from what the journal knows of it to an outcome: noted before the call, looked up when in doubt."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

from collect_pipelines.destinations.interface import Context, Note, Outcome
from collect_pipelines.destinations.sms.config import SmsConfig
from collect_pipelines.destinations.sms.drafts import Draft
from collect_pipelines.destinations.sms.keys import DONE, IN_DOUBT, PENDING, claim_key, receipt_key
from collect_pipelines.destinations.sms.limits import Digests, Limits
from collect_pipelines.destinations.sms.providers import Message, Provider, Result
from collect_pipelines.errors import Blocked, TryLater

__all__ = ["LOOK_UP_AFTER_SECONDS", "Clock", "Desk", "Pause"]

Clock = Callable[[], datetime]
"""The time now, aware."""

LOOK_UP_AFTER_SECONDS = (10.0, 60.0, 300.0, 1800.0, 7200.0, 21_600.0)
"""Waits between look-ups of a message in doubt; then a person decides. Fewer than the core's ten attempts."""

RESEND_AFTER_SECONDS = 60.0  # at_least_once: a request that was cut off has arrived by then, or never will
PAUSE_SECONDS = (15.0, 60.0, 300.0, 900.0)  # after 1, 2, ... unclear outcomes in a row: each costs a message in doubt
PAUSE_NAME = "pause"


@dataclass(slots=True)
class Pause:
    """After an unclear outcome nothing new is sent for a while: a provider that hangs would leave every message in doubt."""

    context: Context
    clock: Clock
    unclear: int = 0
    until: datetime | None = None

    def __post_init__(self) -> None:
        known = self.context.recall(PAUSE_NAME)
        if isinstance(known, dict) and known.get("unclear"):
            self.unclear = int(known["unclear"])
            self.until = datetime.fromisoformat(known["until"])

    @property
    def left(self) -> float:
        """Seconds; 0.0 when there is no pause."""
        return 0.0 if self.until is None else max((self.until - self.clock()).total_seconds(), 0.0)

    def begin(self) -> float:
        """One more unclear outcome; returns the seconds to wait."""
        wait = PAUSE_SECONDS[min(self.unclear, len(PAUSE_SECONDS) - 1)]
        self.unclear, self.until = self.unclear + 1, self.clock() + timedelta(seconds=wait)
        self.context.remember(PAUSE_NAME, {"unclear": self.unclear, "until": self.until.isoformat()})
        return wait

    def end(self) -> None:
        """The provider answers clearly."""
        if self.unclear:
            self.unclear, self.until = 0, None
            self.context.remember(PAUSE_NAME, {})


@dataclass(slots=True)
class Desk:
    """Handles the receipts of one batch in order. `lines` is what the journal holds of them."""

    config: SmsConfig
    context: Context
    provider: Provider
    limits: Limits
    digests: Digests
    pause: Pause
    lines: dict[str, Note]
    clock: Clock
    calls: int = 0
    sent_bytes: int = 0
    _halt: Outcome | None = field(default=None, init=False)
    """What becomes of every other fresh message of the batch."""

    def __post_init__(self) -> None:
        if self.pause.left:
            self._halt = Outcome.later("The provider gave no clear answer; nothing is sent for a while.", after=self.pause.left)

    def handle(self, draft: Draft) -> Outcome:
        """The outcome of one row. Raises Blocked and LeaseLost."""
        key = self._key(draft)
        line = self.lines.get(key)
        if line is None or line.state in PENDING:
            return self._fresh(draft, key)
        if line.state in DONE:
            return self._done(draft, line)
        return self._in_doubt(draft, key, line)

    def _key(self, draft: Draft) -> str:
        """One receipt per response; with `on_edit: send` a further one per later revision, whatever the setting was at first."""
        base = receipt_key(draft.response_id)
        line = self.lines.get(base)
        if self.config.on_edit == "ignore" or line is None or line.state in PENDING or _revision(line) == draft.revision:
            return base
        return receipt_key(draft.response_id, draft.revision)

    def _done(self, draft: Draft, line: Note) -> Outcome:
        if _revision(line) == draft.revision:
            return Outcome.delivered()
        return Outcome.skipped("A message was sent for an earlier revision.")

    def _fresh(self, draft: Draft, key: str) -> Outcome:
        if draft.gone:
            return Outcome.skipped("The response was deleted.")
        if draft.refused:
            return self._not_sent(draft, key, "refused", draft.refused, Outcome.refused(_sentence(draft.refused)))
        stop = self.limits.ruled_out(draft, self.clock())
        subject = self.digests.of(draft.recipient.e164 or "")
        if stop is None:
            if self._halt is not None:
                return self._halt
            stop = self.limits.used_up(subject)
        if stop is None:
            return self._send(draft, key, subject)
        if stop.kind == "asleep":
            return Outcome.later(_sentence(stop.reason), after=stop.after, aside=True)
        if stop.kind == "full":
            self._halt = Outcome.later(_sentence(stop.reason), after=stop.after)
            return self._halt
        skipped = Outcome.skipped(_sentence(stop.reason))
        return skipped if stop.kind == "late" else self._not_sent(draft, key, "suppressed", stop.reason, skipped)

    def _send(self, draft: Draft, key: str, subject: str) -> Outcome:
        assert draft.recipient.e164 is not None
        facts = self._facts(draft)
        # Promise 5: noted before it can have an effect, so that whoever comes after a crash knows of the doubt
        self.context.note([Note(key, "sending", subject=subject, detail=facts, anew=True)])
        self.lines[key] = Note(key, "sending", subject=subject, detail=facts, created_at=self.clock())
        self.context.guard()
        try:
            result = self.provider.send(self._message(draft, key))
        except Blocked as exc:
            self._note(key, subject, "waiting", facts | {"reason": exc.reason})
            raise
        self.calls += 1
        self.sent_bytes += len(draft.text.encode())
        return self._settled(key, subject, facts, result)

    def _settled(self, key: str, subject: str, facts: dict[str, Any], result: Result) -> Outcome:
        told = facts | ({"reason": result.reason} if result.reason else {}) | ({"code": result.code} if result.code else {})
        if result.state == "unclear":
            self._note(key, subject, "unknown", told | {"look_ups": 0})
            self._halt = Outcome.later("The provider gave no clear answer; nothing is sent for a while.", after=self.pause.begin())
            return self._unknown(0, result.reason)
        self.pause.end()
        if result.state == "sent":
            self.limits.sent()
            self._found(key, subject, facts, "sent", result.id)
            return Outcome.delivered()
        if result.state == "busy":
            self._note(key, subject, "waiting", told)
            self._halt = Outcome.later(result.reason, after=result.after)
            return self._halt
        if result.state == "opted_out":
            self._note(key, subject, "suppressed", told)
            return Outcome.skipped(result.reason)
        self._note(key, subject, "refused", told)
        return Outcome.refused(result.reason)

    def _in_doubt(self, draft: Draft, key: str, line: Note) -> Outcome:
        """It may have been sent: found at the provider, sent again where that is harmless or allowed, or still in doubt."""
        line = self.context.notes([key]).get(key, line)
        if line.state in DONE:  # a report of the provider came meanwhile
            return self._done(draft, line)
        subject = self.digests.of(draft.recipient.e164 or "")
        same = draft.recipient.e164 is not None and line.subject == subject
        look_ups = _look_ups(line)
        if same and self.provider.idempotent:
            return self._again(draft, key, line, subject)
        if same and self.provider.looks_up:
            try:
                if self._look_up(draft, key, line):
                    return self._done(draft, self.lines[key])
            except TryLater as exc:
                return self._doubted(key, line, look_ups, f"The provider can't be asked now. {exc.message}", exc.after)
        if same and self._may_send_again(line, look_ups):
            return self._again(draft, key, line, subject)
        return self._doubted(key, line, look_ups, "The provider knows nothing of it." if self.provider.looks_up else "")

    def _look_up(self, draft: Draft, key: str, line: Note) -> bool:
        """Whether the provider has the message; then it is noted."""
        since = line.created_at or self.clock()
        self.calls += 1
        digest = line.detail.get("digest")  # of the text as it was sent: templates change
        found = self.provider.candidates(self._message(draft, key), since, lambda text: self.digests.of(text) == digest)
        if self.provider.ambiguous and found:
            # of several receipts with one number and text each has a message of its own
            claims = self.context.notes([claim_key(one.id) for one in found])
            others = {name for name, claim in claims.items() if claim.detail.get("receipt") != key}
            found = [one for one in found if claim_key(one.id) not in others]
        if not found:
            return False
        self._found(key, line.subject, dict(line.detail), found[-1].state, found[-1].id)
        return True

    def _found(self, key: str, subject: str | None, facts: dict[str, Any], state: str, message_id: str | None) -> None:
        detail = {name: value for name, value in facts.items() if name not in ("reason", "code", "look_ups")}
        # a report of the provider may have come first: it knows more
        notes = [Note(key, state, message_id, subject, detail, over=IN_DOUBT)]
        if message_id is not None and self.provider.ambiguous:
            notes.append(Note(claim_key(message_id), "claimed", detail={"receipt": key}))
        self.context.note(notes)
        self.lines[key] = notes[0]

    def _may_send_again(self, line: Note, look_ups: int) -> bool:
        if self.config.policy != "at_least_once":
            return False
        if not self.provider.looks_up:
            return True
        first = line.created_at or self.clock()
        return look_ups > 0 and self.clock() - first >= timedelta(seconds=RESEND_AFTER_SECONDS)

    def _doubted(self, key: str, line: Note, look_ups: int, reason: str, after: float | None = None) -> Outcome:
        # Promise 5: what may have been sent is never sent again by itself; a person decides
        self._note(key, line.subject, "unknown", {**line.detail, "look_ups": look_ups + 1})
        return self._unknown(look_ups + 1, reason, after)

    def _again(self, draft: Draft, key: str, line: Note, subject: str) -> Outcome:
        """Sends what is in doubt once more, unless something forbids it by now; then it stays in doubt."""
        stop = self.limits.ruled_out(draft, self.clock())
        if stop is not None:
            return self._unknown(_look_ups(line), _sentence(stop.reason), stop.after)
        if self._halt is not None:
            return self._unknown(_look_ups(line), self._halt.reason or "", self._halt.after)
        return self._send(draft, key, subject)

    def _unknown(self, look_ups: int, reason: str, after: float | None = None) -> Outcome:
        said = f"It is not known whether the message was sent. {reason}".strip()
        if look_ups >= len(LOOK_UP_AFTER_SECONDS) or not self._may_become_known:
            return Outcome.unknown(said)
        return Outcome.unknown(said, after=max(after or 0.0, LOOK_UP_AFTER_SECONDS[look_ups]))

    @property
    def _may_become_known(self) -> bool:
        reports = self.config.public_url is not None
        return self.provider.looks_up or self.provider.idempotent or reports or self.config.policy == "at_least_once"

    def _not_sent(self, draft: Draft, key: str, state: str, reason: str, outcome: Outcome) -> Outcome:
        subject = self.digests.of(draft.recipient.e164) if draft.recipient.e164 else None
        self.context.note([Note(key, state, subject=subject, detail={"revision": draft.revision, "reason": reason}, over=PENDING)])
        return outcome

    def _note(self, key: str, subject: str | None, state: str, facts: dict[str, Any]) -> None:
        self.context.note([Note(key, state, subject=subject, detail=facts, over=IN_DOUBT)])

    def _facts(self, draft: Draft) -> dict[str, Any]:
        counted = draft.count
        facts = {"revision": draft.revision, "segments": counted.segments, "encoding": counted.encoding, "language": draft.language}
        facts["digest"] = self.digests.of(draft.text)
        return facts | ({"cut": True} if draft.cut else {})

    def _message(self, draft: Draft, key: str) -> Message:
        assert draft.recipient.e164 is not None
        base = self.config.public_url
        url = f"{base}/v1/callbacks/{self.context.integration_id}/status/{quote(key, safe='')}" if base else None
        return Message(key, draft.recipient.e164, draft.text, draft.language, url)


def _revision(line: Note) -> Any:
    return line.detail.get("revision")


def _look_ups(line: Note) -> int:
    known = line.detail.get("look_ups")
    return known if isinstance(known, int) else 0


def _sentence(reason: str) -> str:
    return f"{reason[:1].upper()}{reason[1:]}."

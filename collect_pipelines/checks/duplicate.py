"""A response that was sent before: by the same respondent, or with the same answers, within a window of time."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal

import orjson
from pydantic import BeforeValidator, Field

from collect_pipelines.checks.interface import Check, CheckConfig, Draft, Earlier, Fingerprint, References
from collect_pipelines.checks.sentences import sentence
from collect_pipelines.errors import ConfigInvalid
from collect_pipelines.forms.definition import FormDefinition, label_in
from collect_pipelines.model import Finding

__all__ = ["DuplicateCheck", "DuplicateConfig"]

Match = Literal["respondent", "content"]
EXACT = 2**53  # floats beyond it are not all whole numbers of their own
MAX_WINDOW_SECONDS = 366 * 86_400  # a yearly survey may ask whether it was answered this year

_WINDOW = re.compile(r"([0-9]{1,8})\s*([smhd])")
_UNIT_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}


def _seconds(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    found = _WINDOW.fullmatch(value.strip())
    if found is None:
        raise ValueError("write a number of seconds, or 90s, 15m, 24h, 7d")
    return int(found[1]) * _UNIT_SECONDS[found[2]]


class DuplicateConfig(CheckConfig):
    """What counts as sent before, and since when."""

    match: tuple[Match, ...] = Field(
        default=("respondent", "content"), min_length=1, description="respondent: who answered. content: what was answered. One is enough."
    )
    respondent: str | None = Field(
        default=None, description="Key of a question whose answer tells who answered. Unset: the `respondent` of the response."
    )
    questions: tuple[str, ...] = Field(
        default=(), description="Keys of the questions whose answers are the content. Empty: all answers. A repeat counts as a whole."
    )
    window: Annotated[int, BeforeValidator(_seconds)] = Field(
        default=7 * 86_400, strict=True, ge=1, le=MAX_WINDOW_SECONDS, description="How far back to look: seconds, or 90s, 15m, 24h, 7d."
    )
    severity: Literal["reject", "flag", "note"] = Field(default="flag", description="What a duplicate is: sent back, flagged, or noted.")


class DuplicateCheck(Check):
    """
    Recognises a response by SHA-256 fingerprints of those accepted before; no answer is kept for it.

    Codes: duplicate.respondent, duplicate.content, with the ids of the newest three earlier responses; ingest tells those only to keys
    that may read. The same response sent again or edited is no duplicate of itself, and a deleted one is none any more. Blank answers
    and no respondent are like nobody's.
    """

    kind: ClassVar[str] = "duplicate"
    Config: ClassVar[type[CheckConfig]] = DuplicateConfig
    bounded: ClassVar[bool] = True

    def prepare(self, form: FormDefinition, references: References) -> None:
        """Raises ConfigInvalid when a key is none of the form's: nothing would ever be recognised by it."""
        respondent = self._settings.respondent
        named = (*self._settings.questions, *((respondent,) if respondent else ()))
        unknown = [key for key in named if key not in form.by_key]
        if unknown:
            raise ConfigInvalid(
                f"The check duplicate names {', '.join(map(repr, unknown))}, which the form does not ask at its top.",
                fix="Name keys of questions outside repeats, or the key of a whole repeat.",
            )

    def fingerprints(self, response: Draft, form: FormDefinition) -> Sequence[Fingerprint]:
        """One per `match`, where there is something to recognise."""
        found: dict[str, Any] = {"respondent": self._respondent(response), "content": self._content(response)}
        return [
            Fingerprint(name, hashlib.sha256(orjson.dumps([form.form, name, found[name]])).digest(), self._settings.window)
            for name in dict.fromkeys(self._settings.match)
            if found[name] is not None
        ]

    def check(self, response: Draft, form: FormDefinition) -> Sequence[Finding]:
        """A finding per `match` that was recognised."""
        by_name: dict[str, list[Earlier]] = {}
        for one in response.earlier:
            by_name.setdefault(one.name, []).append(one)
        return [self._finding(name, by_name[name], response, form) for name in dict.fromkeys(self._settings.match) if name in by_name]

    @property
    def _settings(self) -> DuplicateConfig:
        assert isinstance(self.config, DuplicateConfig)
        return self.config

    def _finding(self, name: str, earlier: Sequence[Earlier], response: Draft, form: FormDefinition) -> Finding:
        told = [{"response_id": one.response_id, "received_at": one.received_at.isoformat().replace("+00:00", "Z")} for one in earlier]
        question = form.by_key.get(self._settings.respondent or "") if name == "respondent" else None
        return Finding(
            f"duplicate.{name}",
            sentence(f"duplicate.{name}", response.language),
            self._settings.severity,
            question.key if question else None,
            label_in(question.label, response.language, question.key) if question else None,
            {"earlier": told},
        )

    def _respondent(self, response: Draft) -> Any:
        key = self._settings.respondent
        value = response.respondent if key is None else response.answers.get(key)
        return _plain(value.strip() if isinstance(value, str) else value)

    def _content(self, response: Draft) -> Any:
        keys = self._settings.questions
        return _plain({key: response.answers.get(key) for key in keys} if keys else response.answers)


def _plain(value: Any) -> Any:
    """The value with keys in order, 4.0 as 4, and without what is blank; None when nothing is left."""
    if isinstance(value, Mapping):
        members = {key: plain for key in sorted(value) if (plain := _plain(value[key])) is not None}
        return members or None
    if isinstance(value, list | tuple):
        items = [_plain(item) for item in value]
        return items if any(item is not None for item in items) else None
    if isinstance(value, float):
        return int(value) if value.is_integer() and abs(value) < EXACT else float(value)
    return value if not isinstance(value, str) or value.strip() else None

"""How the suite asks a check: which form and answers, and what is said when a call goes wrong."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, ClassVar

from collect_pipelines.checks.interface import Check, Draft
from collect_pipelines.checks.verdict import Nonsense, sound_findings, sound_fingerprints, sound_metadata
from collect_pipelines.forms.definition import FormDefinition
from collect_pipelines.model import Finding
from collect_pipelines.testing.samples import every_type_form, sample_answers
from collect_pipelines.testing.watching import TookTooLong, within

__all__ = ["GIVE_UP_SECONDS", "Asking", "told"]

Examples = Sequence[tuple[Mapping[str, Any], Sequence[str]]]

GIVE_UP_SECONDS = 10.0  # a call that takes longer is stopped, where it can be


class Asking:
    """What a suite says about its check, and how it is asked."""

    check: ClassVar[type[Check]]
    """The class under test."""
    config: ClassVar[Mapping[str, Any]] = {}
    """A configuration that makes sense for `form`."""
    form: ClassVar[FormDefinition | Mapping[str, Any] | None] = None
    """The form it is tried on. Default: one with every question type; keys are `a_text`, `a_phone` and so on."""
    references: ClassVar[Mapping[str, Sequence[Mapping[str, Any]]]] = {}
    """Rows of the reference lists it wants."""
    examples: ClassVar[Examples] = ()
    """Answers, and the codes of what is found in them, in order."""
    seconds: ClassVar[float] = 0.3
    """The longest it may take for any response: what a form grants by default (`timeout_ms`)."""
    installed: ClassVar[bool] = True
    """False while its entry point is not installed, e.g. for a check that lives in a test."""

    @property
    def _form(self) -> FormDefinition:
        known = self.__dict__.get("_made_form")
        if known is None:
            known = self.form if isinstance(self.form, FormDefinition) else None
            known = known or (FormDefinition.model_validate(self.form) if self.form else every_type_form())
            self.__dict__["_made_form"] = known
        return known

    @property
    def _made_once(self) -> Check:
        if "_instance" not in self.__dict__:
            self.__dict__["_instance"] = self._made()
        made: Check = self.__dict__["_instance"]
        return made

    def _made(self, config: Mapping[str, Any] | None = None) -> Check:
        made = self.check(self.check.Config.model_validate(self.config if config is None else config))
        made.prepare(self._form, {name: self.references.get(name, ()) for name in self.check.references})
        return made

    def _samples(self) -> Iterator[tuple[str, Mapping[str, Any]]]:
        yield from ((f"example {number}", answers) for number, (answers, _) in enumerate(self.examples, 1))
        yield from sample_answers(self._form)

    def _short_samples(self) -> Iterator[tuple[str, Mapping[str, Any]]]:
        yield from ((name, answers) for name, answers in self._samples() if " long" not in name and " many " not in name)

    def _draft(self, answers: Mapping[str, Any], language: str | None = "en") -> Draft:
        return Draft("a-response", answers, "someone", language)

    def _said(self, name: str, made: Check, answers: Mapping[str, Any], language: str | None = "en") -> tuple[tuple[Finding, ...], Any]:
        draft = self._draft(answers, language)
        return self._call(name, lambda: tuple(made.check(draft, self._form))), draft.answer_metadata

    def _sound(self, name: str, answers: Mapping[str, Any]) -> tuple[tuple[Finding, ...], dict[str, dict[str, Any]]]:
        draft = self._draft(answers)
        try:
            return sound_findings(self._made_once.check(draft, self._form)), sound_metadata(draft.answer_metadata)
        except Nonsense as exc:
            raise AssertionError(f"{name}: it {exc}") from exc

    def _fingerprints(self, made: Check, name: str, answers: Mapping[str, Any]) -> Any:
        try:
            return sound_fingerprints(self._call(name, made.fingerprints, self._draft(answers), self._form))
        except Nonsense as exc:
            raise AssertionError(f"{name}: it {exc}") from exc

    def _seconds(self, name: str, answers: Mapping[str, Any]) -> float:
        started = time.perf_counter()
        self._said(name, self._made_once, answers)
        return time.perf_counter() - started

    def _call(self, name: str, function: Callable[..., Any], *arguments: Any) -> Any:
        try:
            with within(GIVE_UP_SECONDS):
                return function(*arguments)
        except TookTooLong:
            raise AssertionError(f"{name}: it had not answered after {GIVE_UP_SECONDS:.0f} s") from None
        except BaseException as exc:
            raise AssertionError(f"{name}: it raised {told(exc)}") from exc


def told(error: BaseException) -> str:
    """An exception in a few words."""
    return f"{type(error).__name__}: {error!s:.200}"

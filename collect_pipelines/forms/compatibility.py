"""Whether a new version of a form leaves the meaning of answers already stored as it was."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from collect_pipelines.errors import FormIncompatible
from collect_pipelines.forms.columns import first_key
from collect_pipelines.forms.definition import FormDefinition, Question

__all__ = ["check_compatible", "problems_of"]


@dataclass(frozen=True, slots=True)
class _Asked:
    """A question that has answers, and the repeat they are in (None: the response itself)."""

    question: Question
    repeat: str | None
    """First key of the repeat."""

    @property
    def history(self) -> tuple[str, ...]:
        """Every key the question has had, oldest first."""
        return (*self.question.was, self.question.key)


def check_compatible(earlier: Sequence[FormDefinition], new: FormDefinition) -> None:
    """
    Raises FormIncompatible listing every change that would alter what stored answers mean, each with what to do.

    earlier: every version published so far, oldest first. New questions, labels, order, groups, bounds and choices are free to change;
    a key may change when the question lists its earlier ones under `was`.
    """
    problems = problems_of(earlier, new)
    if problems:
        count = "One change" if len(problems) == 1 else f"{len(problems)} changes"
        raise FormIncompatible(
            f"{count} would alter the meaning of answers already stored: {'; '.join(problems)}",
            problems=problems,
            fix="Make the changes named above to the form file and publish it again.",
        )


def problems_of(earlier: Sequence[FormDefinition], new: FormDefinition) -> list[str]:
    """What `check_compatible` would list; empty when the new version may be published."""
    return list(dict.fromkeys(_problems(earlier, new)))


def _problems(earlier: Sequence[FormDefinition], new: FormDefinition) -> Iterator[str]:
    now = _asked(new)
    for version in earlier:
        if version.form != new.form:
            yield f"the form is named `{new.form}`, published versions are named `{version.form}`: keep the name, or publish another form"
    known = _newest(earlier)
    owner = {key: first for first, was in known.items() for key in was.history}
    misnamed: set[str] = set()
    for found in now.values() if earlier else ():
        claimed = {owner[key] for key in found.history if key in owner}
        wrong = _misnamed(found, [known[first] for first in sorted(claimed)])
        if wrong is not None:
            misnamed |= claimed
            yield wrong
    for first, was in known.items():
        if first in now:
            yield from () if first in misnamed else _changed(now[first].question.key, was, now[first])
        elif first not in misnamed:
            key = was.question.key
            keep = "keep the question and give it `retired:` with the day from which it is not asked"
            yield f"`{key}` is missing: {keep}, or name `{key}` under `was:` of the question that continues it"


def _misnamed(found: _Asked, claimed: Sequence[_Asked]) -> str | None:
    """What is wrong with a question's key, or with the earlier keys it names. claimed: the published questions that had one of them."""
    key, was = found.question.key, found.question.was
    if not claimed:
        return f"`{key}` says it was `{was[0]}`, which no published version asks: remove `was`, or correct it" if was else None
    if len(claimed) > 1:
        names = " and ".join(f"`{one.question.key}`" for one in claimed)
        return f"`{key}` names keys of several questions ({names}): one question can continue one other only"
    history = claimed[0].history
    if key in history[:-1]:
        return f"`{key}` was a key of `{history[-1]}` and stays its own: choose a key that was never used"
    before = history[:-1] if key == history[-1] else history
    return None if was == before else f"`{key}` must name all its earlier keys, the oldest first: write `was: [{', '.join(before)}]`"


def _newest(earlier: Sequence[FormDefinition]) -> dict[str, _Asked]:
    """Every question ever asked by its first key, as it was defined last, with the choices of all versions."""
    newest: dict[str, _Asked] = {}
    for version in earlier:
        for first, asked in _asked(version).items():
            before = newest.get(first)
            codes = {choice.code for choice in asked.question.choices}
            lost = [choice for choice in before.question.choices if choice.code not in codes] if before else []
            question = asked.question.model_copy(update={"choices": (*asked.question.choices, *lost)}) if lost else asked.question
            newest[first] = _Asked(question, asked.repeat)
    return newest


def _asked(definition: FormDefinition) -> dict[str, _Asked]:
    found: dict[str, _Asked] = {}

    def visit(questions: Sequence[Question], repeat: str | None) -> None:
        for question in questions:
            if question.type not in ("note", "group"):
                found[first_key(question)] = _Asked(question, repeat)
            visit(question.questions, first_key(question) if question.type == "repeat" else repeat)

    visit(definition.questions, None)
    return found


def _changed(key: str, was: _Asked, now: _Asked) -> Iterator[str]:
    old, new = was.question, now.question
    if old.type != new.type:
        free = key if old.key != key else f"{key}_2"
        keep = f"keep `{old.key}` as {old.type} with `retired:`, and ask with a new key such as `{free}`"
        yield f"`{old.key}` was {old.type} and is now {new.type}{f' as `{key}`' if old.key != key else ''}: {keep}"
        return
    if was.repeat != now.repeat:
        place = f"in the repeat `{was.repeat}`" if was.repeat else "outside of repeats"
        yield f"`{key}` was {place}: put it back, and give the question in its new place a new key"
    if old.retired is not None and new.retired is None and not _same_text(old.label, new.label):
        yield f"`{key}` was retired and is used for another question: restore `retired:`, and ask with a new key such as `{key}_2`"
    yield from _changed_choices(key, old, new)


def _changed_choices(key: str, old: Question, new: Question) -> Iterator[str]:
    now = {choice.code: choice for choice in new.choices}
    for choice in old.choices:
        found = now.get(choice.code)
        if found is None:
            yield f"choice `{choice.code}` of `{key}` is missing: keep it with `retired: true`"
        elif choice.retired and not found.retired and not _same_text(choice.label, found.label):
            yield f"choice `{choice.code}` of `{key}` was retired and now means something else: restore it, and use a new code"


def _same_text(old: dict[str, str], new: dict[str, str]) -> bool:
    """Whether no text was changed in a language both have; a translation may be added or taken away."""
    return all(old[language] == new[language] for language in old.keys() & new.keys())

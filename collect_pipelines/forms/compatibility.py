"""Whether a new version of a form leaves the meaning of answers already stored as it was."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from collect_pipelines.errors import FormIncompatible
from collect_pipelines.forms.definition import FormDefinition, Question

__all__ = ["check_compatible"]


@dataclass(frozen=True, slots=True)
class _Asked:
    """A question that has answers, and the repeat they are in (None: the response itself)."""

    question: Question
    repeat: str | None


def check_compatible(earlier: Sequence[FormDefinition], new: FormDefinition) -> None:
    """
    Raises FormIncompatible listing every change that would alter what stored answers mean, each with what to do.

    earlier: every version published so far, oldest first. New questions, labels, order, groups, bounds and choices are free to change.
    """
    problems = list(dict.fromkeys(_problems(earlier, new)))
    if problems:
        count = "One change" if len(problems) == 1 else f"{len(problems)} changes"
        raise FormIncompatible(
            f"{count} would alter the meaning of answers already stored: {'; '.join(problems)}",
            problems=problems,
            fix="Make the changes named above to the form file and publish it again.",
        )


def _problems(earlier: Sequence[FormDefinition], new: FormDefinition) -> Iterator[str]:
    now = _asked(new)
    for version in earlier:
        if version.form != new.form:
            yield f"the form is named `{new.form}`, published versions are named `{version.form}`: keep the name, or publish another form"
    for key, was in _newest(earlier).items():
        found = now.get(key)
        if found is None:
            yield f"`{key}` is missing: keep the question and give it `retired:` with the day from which it is not asked"
        else:
            yield from _changed(key, was, found)


def _newest(earlier: Sequence[FormDefinition]) -> dict[str, _Asked]:
    """Every question ever asked, as it was defined last, with the choices of all versions."""
    newest: dict[str, _Asked] = {}
    for version in earlier:
        for key, asked in _asked(version).items():
            before = newest.get(key)
            codes = {choice.code for choice in asked.question.choices}
            lost = [choice for choice in before.question.choices if choice.code not in codes] if before else []
            question = asked.question.model_copy(update={"choices": (*asked.question.choices, *lost)}) if lost else asked.question
            newest[key] = _Asked(question, asked.repeat)
    return newest


def _asked(definition: FormDefinition) -> dict[str, _Asked]:
    found: dict[str, _Asked] = {}

    def visit(questions: Sequence[Question], repeat: str | None) -> None:
        for question in questions:
            if question.type not in ("note", "group"):
                found[question.key] = _Asked(question, repeat)
            visit(question.questions, question.key if question.type == "repeat" else repeat)

    visit(definition.questions, None)
    return found


def _changed(key: str, was: _Asked, now: _Asked) -> Iterator[str]:
    old, new = was.question, now.question
    if old.type != new.type:
        keep = f"keep `{key}` as {old.type} with `retired:`, and ask with a new key such as `{key}_2`"
        yield f"`{key}` was {old.type} and is now {new.type}: {keep}"
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

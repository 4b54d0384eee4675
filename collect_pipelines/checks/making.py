"""Making a check of a form version ready: its configuration validated, itself prepared. The same in line and in a process."""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from collect_pipelines.checks.interface import Check, CheckConfig, References
from collect_pipelines.errors import Invalid
from collect_pipelines.forms.definition import FormDefinition

__all__ = ["Unusable", "config_faults", "made_check", "sound_config"]


class Unusable(Exception):
    """The check can't be made ready for this form; the text says why and what to do, and holds no answer."""


def made_check(made: type[Check], kind: str, config: Mapping[str, Any], form: FormDefinition, references: References) -> Check:
    """The check, prepared. Raises Unusable whatever the plug-in does."""
    settings = sound_config(made, kind, config)
    try:
        check = made(settings)
        check.prepare(form, {name: references.get(name, ()) for name in made.references})
    except Invalid as exc:  # the author's own words about form and configuration
        raise Unusable(f"The check {kind!r} does not fit this form: {exc.message} {exc.fix or ''}".strip()) from exc
    except BaseException as exc:
        raise Unusable(_raised(kind, exc)) from exc
    return check


def sound_config(made: type[Check], kind: str, config: Mapping[str, Any]) -> CheckConfig:
    """The configuration as the check takes it. Raises Unusable."""
    try:
        return made.Config.model_validate(config)
    except ValidationError as exc:
        fix = f"Correct `checks: {kind}: config:` in the form; `collect plugins show {kind}` explains every field."
        raise Unusable(f"The configuration of check {kind!r} is not valid: {config_faults(exc)}. {fix}") from exc
    except Exception as exc:
        raise Unusable(_raised(kind, exc)) from exc


def config_faults(error: ValidationError) -> str:
    """What is wrong with a configuration, field by field; never the values."""
    faults = error.errors(include_url=False, include_input=False)
    return "; ".join(f"{'.'.join(map(str, item['loc'])) or 'config'}: {_words(item['msg'])}" for item in faults)


def _words(message: str) -> str:
    """Without the name pydantic gives to faults that the check's own validators tell."""
    return message.removeprefix("Value error, ").removeprefix("Assertion failed, ")


def _raised(kind: str, error: BaseException) -> str:
    return f"The check {kind!r} can't be made ready: it raised {type(error).__name__}. Ask its author, or remove it from the form."

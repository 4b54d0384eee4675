"""Parts of a form file as far as they were written, for faults that only show over the whole form while some part is broken."""

from types import SimpleNamespace
from typing import Any

__all__ = ["shadow_questions", "shadow_rules"]


def shadow_questions(value: Any) -> list[Any]:
    """Questions with the fields that are looked at over the whole form; what is not as it must be is left out of them."""
    items = value if isinstance(value, list) else []
    return [_question(item if isinstance(item, dict) else {}) for item in items]


def shadow_rules(value: Any) -> list[Any]:
    """Rules likewise. One that can't be read at all stays as an empty one, so that the places of the others are right."""
    items = value if isinstance(value, list) else []
    return [_rule(item if isinstance(item, dict) else {}) for item in items]


def _question(item: dict[str, Any]) -> SimpleNamespace:
    key, choices = item.get("key"), item.get("choices")
    return SimpleNamespace(
        key=key if isinstance(key, str) else f"#{id(item)}",
        type=_text(item.get("type")),
        label=_mapping(item.get("label")),
        **{name: _mapping(item.get(name)) for name in ("hint", "constraint_message", "required_message")},
        choices=[SimpleNamespace(label=_mapping(choice.get("label"))) for choice in _list(choices) if isinstance(choice, dict)],
        choices_by={name: other for name, other in _mapping(item.get("choices_by")).items() if isinstance(other, str)},
        relevant=_text(item.get("relevant")),
        retired=item.get("retired"),
        was=_keys(item.get("was")),
        questions=shadow_questions(item.get("questions")),
    )


def _rule(item: dict[str, Any]) -> SimpleNamespace:
    name = _text(item.get("name"))
    return SimpleNamespace(
        name=f"#{id(item)}" if name is None else name,
        expression=_text(item.get("expression")),
        message=_mapping(item.get("message")),
        questions=_keys(item.get("questions")),
        unique=_keys(item.get("unique")),
        complete=_text(item.get("complete")),
        distribution=_text(item.get("distribution")),
    )


def _keys(value: Any) -> tuple[str, ...]:
    """All of them or none: leaving one out would move the others."""
    return tuple(value) if isinstance(value, list) and all(isinstance(one, str) for one in value) else ()


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _mapping(value: Any) -> dict[Any, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []

"""Notices of an integration in words."""

from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["words_of"]


def words_of(notices: Sequence[Mapping[str, Any]]) -> list[str]:
    """A line per notice: what it is, what to do, and its code, by which docs/problems.md explains it."""
    return [f"{one['message']}{' ' + one['fix'] if one['fix'] else ''} ({one['code']})" for one in notices]

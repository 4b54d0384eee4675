"""One finding of `collect doctor`."""

from dataclasses import dataclass
from typing import Literal

__all__ = ["Diagnosis"]


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """One thing looked at."""

    check: str
    state: Literal["ok", "note", "broken"]
    detail: str
    fix: str | None = None

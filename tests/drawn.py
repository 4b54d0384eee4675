"""How many examples a test draws: few by default, ten times as many in the long run (`make slow`)."""

import os
from typing import Any

import hypothesis

__all__ = ["drawn", "examples"]

LONG_RUN = 10 if os.environ.get("COLLECT_LONG_RUN") else 1


def examples(few: int) -> int:
    """So many, or those of the long run."""
    return few * LONG_RUN


def drawn(few: int, **bounds: Any) -> hypothesis.settings:
    """Settings of a test that draws so many examples by default."""
    return hypothesis.settings(max_examples=examples(few), **bounds)

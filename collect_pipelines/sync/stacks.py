"""Where an exception came from, told without a value: its message may hold an answer (promise 10)."""

import traceback

__all__ = ["where_from"]

STACK_FRAMES = 12  # innermost frames; enough to find the line, short enough to read


def where_from(exc: BaseException) -> str:
    """The innermost frames as `file:line function`, outermost first."""
    frames = traceback.extract_tb(exc.__traceback__)[-STACK_FRAMES:]
    return " > ".join(f"{frame.filename.rpartition('/')[2]}:{frame.lineno} {frame.name}" for frame in frames)

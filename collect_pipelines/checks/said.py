"""What passes between a check and the runner, wherever the check runs."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any

from collect_pipelines.errors import Unavailable
from collect_pipelines.model import Earlier, Finding, Fingerprint

__all__ = ["GettingReady", "LookUp", "NotNow", "Said", "nobody_earlier", "told_earlier"]

Said = tuple[tuple[Finding, ...], dict[str, dict[str, Any]]]
"""Findings, and facts about answers."""

LookUp = Callable[[Sequence[Fingerprint]], Awaitable[tuple[Earlier, ...]]]
"""Finds earlier responses of the form by fingerprint. Raises Unavailable."""


class NotNow(Exception):
    """The check can't be asked now; the text says why and holds no answer."""


class GettingReady(NotNow):
    """The check can be asked in a moment."""

    def __init__(self) -> None:
        super().__init__("is getting ready")


async def nobody_earlier(_: Sequence[Fingerprint]) -> tuple[Earlier, ...]:
    """A look-up that finds nothing."""
    return ()


async def told_earlier(kind: str, wanted: Sequence[Fingerprint], look_up: LookUp) -> tuple[Earlier, ...]:
    """What the look-up finds for a check. Fingerprints are kept under the kind's name, so that checks don't meet each other's."""
    if not wanted:
        return ()
    prefix = f"{kind}."
    try:
        found = await look_up([replace(one, name=prefix + one.name) for one in wanted])
    except Unavailable as exc:
        raise NotNow("earlier responses can't be looked up now") from exc
    return tuple(replace(one, name=one.name.removeprefix(prefix)) for one in found)

"""What an author says about a destination: the class, how it is configured, and how its effects are read back."""

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from collect_pipelines.destinations.interface import Destination
from collect_pipelines.forms.definition import FormDefinition
from collect_pipelines.testing.destinations.effects import Effect, Shape
from collect_pipelines.testing.destinations.found import WRITES, effects_in
from collect_pipelines.testing.destinations.stand_in import Reply, Request
from collect_pipelines.testing.destinations.world import World

__all__ = ["Saying"]


class Saying:
    """To be overridden in a suite, as far as the defaults do not fit."""

    destination: ClassVar[type[Destination]]
    """The class under test."""
    form: ClassVar[FormDefinition | Mapping[str, Any] | None] = None
    """The form whose responses it gets. Default: one with every question type; keys are `a_text`, `a_phone` and so on."""
    marked: ClassVar[str] = "a_text"
    """Key of a text question whose answers can be seen in the receiver: by them the suite knows its responses."""
    effects_are: ClassVar[Shape | None] = None
    """`rows` or `events`; unset: rows when it supports upsert."""
    shows_every_answer: ClassVar[bool] = True
    """False when only some answers can be seen in the receiver, e.g. those a template names."""
    longest_text: ClassVar[int] = 150_000
    """Characters of one answer that arrive whole."""
    most_interruptions: ClassVar[int] = 20
    """At how many moments a delivery is interrupted in each scenario, spread over all of them."""
    most_faults: ClassVar[int] = 6
    """How many requests of a delivery meet each fault, spread over all of them."""
    gives_up_seconds: ClassVar[float] = 20.0
    """The longest a delivery may take when the receiver says nothing."""
    stands_for: ClassVar[tuple[str, ...]] = ()
    """Other kinds that this suite speaks for, as they differ in an address only."""
    installed: ClassVar[bool] = True
    """False while its entry point is not installed, e.g. for a destination that lives in a test."""

    def config(self, world: World) -> Mapping[str, Any]:
        """A configuration for this world: `world.folder`, `world.address`, `world.secret("token")`."""
        return {}

    def effects(self, world: World) -> Iterable[Effect]:
        """Everything the receiver holds now. Default: what can be read in the requests it applied and the files in `world.folder`."""
        return effects_in(world)

    def answer(self, world: World, request: Request) -> Reply:
        """What the receiver does with a request when nothing goes wrong. `world.state` is its memory."""
        return Reply(200, {})

    def settings(self, world: World) -> Mapping[str, str]:
        """Settings of the installation that differ from the defaults."""
        return {}

    def partly(self, world: World, request: Request) -> Reply | None:
        """The answer of a receiver that takes a part of this request only, having applied it; None: it takes all or nothing."""
        return None

    def writes(self, request: Request) -> bool:
        """Whether a request may change the receiver; by its method, unless this is overridden."""
        return request.method in WRITES

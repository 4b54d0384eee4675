"""A suite for a destination of which nothing is known but its class and a configuration."""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from collect_pipelines.errors import Invalid
from collect_pipelines.testing import DestinationConformance, World

__all__ = ["destination_suite"]

GIVES_UP_SECONDS = 70.0  # what the longest time limit of a request usually is, and some more


def destination_suite(made: Any, config: Mapping[str, Any]) -> type[DestinationConformance]:
    """
    Effects are looked for in requests and files.

    In texts of the configuration `{address}` stands for the receiver's address, `{folder}` for a folder, and `{secret}` for a reference
    to a secret. Raises Invalid when the destination does not take it.
    """

    def configured(suite: DestinationConformance, world: World) -> Mapping[str, Any]:
        filled: Mapping[str, Any] = _filled(config, world)
        return filled

    members = {"destination": made, "config": configured, "gives_up_seconds": GIVES_UP_SECONDS}
    suite: type[DestinationConformance] = type("Suite", (DestinationConformance,), members)
    _refuse_faulty(suite(), made, config)
    return suite


def _filled(value: Any, world: World) -> Any:
    if isinstance(value, Mapping):
        return {key: _filled(inner, world) for key, inner in value.items()}
    if isinstance(value, list):
        return [_filled(inner, world) for inner in value]
    if not isinstance(value, str):
        return value
    if "{address}" in value:
        value = value.replace("{address}", world.address)
    return value.replace("{folder}", str(world.folder)).replace("{secret}", world.secret("secret") if "{secret}" in value else "")


def _refuse_faulty(suite: DestinationConformance, made: Any, config: Mapping[str, Any]) -> None:
    """One sentence instead of a failure of nearly every requirement. Anything but a pydantic model is for the suite to judge."""
    try:
        with suite.world() as world:
            made.Config.model_validate(_filled(config, world))
    except ValidationError as exc:
        fields = ", ".join(sorted({".".join(map(str, error["loc"])) or "configuration" for error in exc.errors()}))
        raise Invalid(f"The destination {made.kind!r} can't be tried with this configuration: {fields}.", fix=_fix(made.kind)) from exc
    except Exception:  # noqa: BLE001, S110 - the suite names what an entry point lacks, requirement by requirement
        pass


def _fix(kind: str) -> str:
    example = '{"url": "{address}/x", "token": "{secret}"}'
    return (
        f"Give --config as JSON, e.g. '{example}': {{address}} is a receiver of the suite's own, {{folder}} a folder, {{secret}} a secret."
        f" `collect plugins show {kind}` has the fields."
    )

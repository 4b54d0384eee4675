"""The conformance suite for destinations: the effects they leave when everything goes wrong that can."""

from collect_pipelines.testing.destinations.claims import ClaimScenarios
from collect_pipelines.testing.destinations.crashes import CrashScenarios
from collect_pipelines.testing.destinations.failures import FailureScenarios
from collect_pipelines.testing.destinations.revisions import RevisionScenarios

__all__ = ["DestinationConformance"]


class DestinationConformance(ClaimScenarios, RevisionScenarios, FailureScenarios, CrashScenarios):
    """
    Subclass it as `Test...`, say which destination, how it is configured, and how its effects are read back.

        class TestLines(DestinationConformance):
            destination = Lines

            def config(self, world):
                return {"url": f"{world.address}/lines", "token": world.secret("token")}

    Run it with pytest, or with `collect plugins test`. Each failure says what was found and what to do.
    """

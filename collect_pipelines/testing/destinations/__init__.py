"""
The conformance suite for destinations.

    from collect_pipelines.testing import DestinationConformance, Effect
    from collect_destination_lines import Lines

    class TestLines(DestinationConformance):
        destination = Lines

        def config(self, world):
            return {"url": f"{world.address}/lines", "token": world.secret("token")}

        def effects(self, world):
            for request in world.stand_in.applied:
                for line in request.lines():
                    yield Effect(line, line["_response_id"], line["_revision"], key=request.headers["idempotency-key"])
"""

from collect_pipelines.testing.destinations.effects import Effect
from collect_pipelines.testing.destinations.stand_in import Reply, Request
from collect_pipelines.testing.destinations.suite import DestinationConformance
from collect_pipelines.testing.destinations.world import World

__all__ = ["DestinationConformance", "Effect", "Reply", "Request", "World"]

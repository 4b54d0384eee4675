"""What the author of a plug-in needs to prove it: subclass a suite in a test module and run pytest. pytest itself is not imported."""

from collect_pipelines.testing.checks import CheckConformance
from collect_pipelines.testing.destinations import DestinationConformance, Effect, Reply, Request, World
from collect_pipelines.testing.samples import every_type_form

__all__ = ["CheckConformance", "DestinationConformance", "Effect", "Reply", "Request", "World", "every_type_form"]

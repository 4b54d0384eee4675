"""HTTP to receivers that somebody else named: guarded against private addresses, bounded in time and size."""

from collect_pipelines.destinations.http.headers import check_header
from collect_pipelines.destinations.http.problems import NotAllowed, NotSent, OutcomeUnclear
from collect_pipelines.destinations.http.urls import Target, check_url, target_of

__all__ = ["NotAllowed", "NotSent", "OutcomeUnclear", "Target", "check_header", "check_url", "target_of"]

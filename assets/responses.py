"""The log of each form: where every response of the graph comes from. Written by ingest, never by Dagster."""

import dagster as dg

from assets.names import OWNERS, RESPONSES
from assets.partitions import forms

__all__ = ["responses"]

responses = dg.AssetSpec(
    RESPONSES,
    description=(
        "Every response a form has accepted, durable and numbered in commit order. Ingest writes it; the validation lane tells here "
        "what arrived."
    ),
    partitions_def=forms,
    group_name="responses",
    kinds={"postgres"},
    owners=OWNERS,
)

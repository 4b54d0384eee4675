"""The tables of schema `collect` as SQLAlchemy Core; migrations make the same, and a test compares the two."""

from collect_pipelines.store.tables.base import SCHEMA, metadata
from collect_pipelines.store.tables.checking import (
    batch_profile,
    fingerprint,
    reference_list,
    reference_row,
    rejection,
    unique_progress,
    unique_value,
)
from collect_pipelines.store.tables.coordination import alert, audit, connection, connection_request, lease, quota, quota_ticket, secret
from collect_pipelines.store.tables.delivery import (
    allocation,
    allocation_scope,
    backfill,
    batch,
    dead_letter,
    integration,
    integration_memory,
    journal,
    opt_out,
    quarantine,
    reconciliation,
)
from collect_pipelines.store.tables.intake import api_key, form, form_version, organization, question, response

__all__ = [
    "SCHEMA",
    "alert",
    "allocation",
    "allocation_scope",
    "api_key",
    "audit",
    "backfill",
    "batch",
    "batch_profile",
    "connection",
    "connection_request",
    "dead_letter",
    "fingerprint",
    "form",
    "form_version",
    "integration",
    "integration_memory",
    "journal",
    "lease",
    "metadata",
    "opt_out",
    "organization",
    "quarantine",
    "question",
    "quota",
    "quota_ticket",
    "reconciliation",
    "reference_list",
    "reference_row",
    "rejection",
    "response",
    "secret",
    "unique_progress",
    "unique_value",
]

"""Quotas all processes share: token buckets that no minute outruns, and whose turn it is when several want tokens."""

from collect_pipelines.store.quota.overview import QuotaState, QuotaWaiting, quota_levels, quota_states, quota_waiting
from collect_pipelines.store.quota.queue import Claim
from collect_pipelines.store.quota.taking import choose_quota, drain_quota, settle_quota, take_quota

__all__ = [
    "Claim",
    "QuotaState",
    "QuotaWaiting",
    "choose_quota",
    "drain_quota",
    "quota_levels",
    "quota_states",
    "quota_waiting",
    "settle_quota",
    "take_quota",
]

"""Signed requests to an address of the receiver's own, one per response or in batches."""

from collect_pipelines.destinations.webhook.config import WebhookConfig
from collect_pipelines.destinations.webhook.destination import Webhook

__all__ = ["Webhook", "WebhookConfig"]

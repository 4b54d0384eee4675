"""Who sends the messages; all of them behind one small interface."""

from typing import TYPE_CHECKING

from collect_pipelines.destinations.sms.config import FileProvider, GatewayProvider, SmsConfig, TwilioProvider
from collect_pipelines.destinations.sms.providers.interface import Found, Message, Provider, Result

if TYPE_CHECKING:
    from collect_pipelines.destinations.interface import Context

__all__ = ["Found", "Message", "Provider", "Result", "provider_of"]


def provider_of(config: SmsConfig, context: "Context") -> Provider:
    """The provider an integration is configured for. Raises Blocked when a secret is missing."""
    chosen = config.provider
    if isinstance(chosen, TwilioProvider):
        from collect_pipelines.destinations.sms.providers.twilio import Twilio

        return Twilio(chosen, context)
    if isinstance(chosen, GatewayProvider):
        from collect_pipelines.destinations.sms.providers.gateway import Gateway

        return Gateway(chosen, context)
    from collect_pipelines.destinations.sms.providers.local import FileSpool, LogOnly

    return FileSpool(chosen, context) if isinstance(chosen, FileProvider) else LogOnly(context)

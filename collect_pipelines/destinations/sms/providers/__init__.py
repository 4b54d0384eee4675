"""Who sends the messages; all of them behind one small interface."""

from typing import TYPE_CHECKING

from collect_pipelines.destinations.sms.config import FileProvider, GatewayProvider, SmsConfig, TwilioProvider
from collect_pipelines.destinations.sms.providers.interface import Found, Message, Provider, Result

if TYPE_CHECKING:
    from collect_pipelines.destinations.http.client import GuardedClient
    from collect_pipelines.destinations.interface import Context

__all__ = ["Found", "Message", "Provider", "Result", "client_for", "provider_of"]

MOST_ANSWER_BYTES = 262_144  # a page of Twilio's messages, of ten segments each


def client_for(config: SmsConfig) -> "GuardedClient | None":
    """What keeps connections to the provider; None for one in this process."""
    chosen = config.provider
    if not isinstance(chosen, TwilioProvider | GatewayProvider):
        return None
    from collect_pipelines.destinations.http.client import GuardedClient

    return GuardedClient(allow_private=chosen.allow_private, timeout_seconds=chosen.timeout_seconds, most_response_bytes=MOST_ANSWER_BYTES)


def provider_of(config: SmsConfig, context: "Context", client: "GuardedClient | None") -> Provider:
    """The provider an integration is configured for. client: of `client_for`. Raises Blocked when a secret is missing."""
    chosen = config.provider
    if client is not None and isinstance(chosen, TwilioProvider):
        from collect_pipelines.destinations.sms.providers.twilio import Twilio

        return Twilio(chosen, context, client)
    if client is not None and isinstance(chosen, GatewayProvider):
        from collect_pipelines.destinations.sms.providers.gateway import Gateway

        return Gateway(chosen, context, client)
    from collect_pipelines.destinations.sms.providers.local import FileSpool, LogOnly

    return FileSpool(chosen, context) if isinstance(chosen, FileProvider) else LogOnly(context)

"""SMS receipts: one message per response, never twice, and for each one it is known what became of it."""

from collect_pipelines.destinations.sms.config import SmsConfig
from collect_pipelines.destinations.sms.destination import Sms

__all__ = ["Sms", "SmsConfig"]

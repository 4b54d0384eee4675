"""Whom to write to: an answer brought to E.164, and where its clock stands."""

from dataclasses import dataclass
from functools import cache

__all__ = ["Recipient", "e164", "recipient_of", "sender_of"]

UNKNOWN_ZONE = "Etc/Unknown"


@dataclass(frozen=True, slots=True)
class Recipient:
    """A number that can be written to, or the reason why not."""

    e164: str | None
    kind: str | None = None
    """Kind of the number, e.g. `mobile`."""
    reason: str | None = None
    """Why not; without the number."""
    zones: tuple[str, ...] = ()
    """Time zones its owner may be in."""

    def __repr__(self) -> str:
        return f"Recipient(reason={self.reason!r})"  # Promise 10: tracebacks show arguments


def recipient_of(answer: str | None, region: str | None, kinds: tuple[str, ...]) -> Recipient:
    """The recipient an answer names. region: country of numbers without +. kinds: those that are written to."""
    import phonenumbers
    from phonenumbers.timezone import time_zones_for_number

    if not answer or not answer.strip():
        return Recipient(None, reason="there is no phone number")
    try:
        number = phonenumbers.parse(answer[:MOST_CHARACTERS], region)
    except phonenumbers.NumberParseException:
        hint = "" if region or answer.lstrip().startswith("+") else "; it has no country code, and no region is set"
        return Recipient(None, reason=f"the answer is no phone number{hint}")
    if not phonenumbers.is_valid_number(number):
        return Recipient(None, reason="the phone number is not valid")
    kind = _kinds()[phonenumbers.number_type(number)]
    if kind not in kinds:
        return Recipient(None, kind, reason=f"the number is of the kind {kind}, which is not written to")
    zones = tuple(zone for zone in time_zones_for_number(number) if zone != UNKNOWN_ZONE)
    return Recipient(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164), kind, zones=zones)


def e164(text: str, region: str | None = None) -> str | None:
    """The number in E.164; None for a text that is no possible number. region: country of numbers without +."""
    import phonenumbers

    try:
        number = phonenumbers.parse(text[:MOST_CHARACTERS], region)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_possible_number(number):
        return None
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def sender_of(text: str, region: str | None) -> str | None:
    """
    The number a message came from, in E.164; None for a text that is none.

    Gateways often leave out the +: as a number of the region, or else with its country code, whichever is a valid one.

    >>> sender_of("919876543210", None), sender_of("447400123456", "IN"), sender_of("9876543210", "IN")
    ('+919876543210', '+447400123456', '+919876543210')
    """
    import phonenumbers

    read = [e164(text, region), e164(f"+{text}")]
    valid = (number for number in read if number is not None and phonenumbers.is_valid_number(phonenumbers.parse(number)))
    return next(valid, read[0])


MOST_CHARACTERS = 64  # no number is longer, with all its signs; libphonenumber is slow with long runs of them


@cache
def _kinds() -> dict[int, str]:
    from phonenumbers import PhoneNumberType

    return {value: name.lower() for name, value in vars(PhoneNumberType).items() if name.isupper() and isinstance(value, int)}

"""Time zones by their IANA names: which day it is somewhere."""

from zoneinfo import ZoneInfo

__all__ = ["UTC", "is_zone"]

UTC = "UTC"


def is_zone(name: str) -> bool:
    """Whether there is a zone of this name."""
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # unknown; no name at all; the name of a folder
        return False
    return True

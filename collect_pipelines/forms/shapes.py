"""Whether a JSON value has the shape of an answer: addresses, numbers of phones, places, files, own words."""

import re
from typing import Any

from collect_pipelines.forms.faults import INTEGER_HIGH

__all__ = ["is_boolean", "is_email", "is_file", "is_geopoint", "is_other", "is_phone", "is_scalar", "is_url"]

MAX_EMAIL = 254  # characters of an address, RFC 5321
MAX_URL = 2_048  # longer ones are cut by browsers and tools on the way
MAX_FILE_NAME = 255
MAX_PHONE = 64

_EMAIL = re.compile(r'[^\s@<>()\[\],;:\\"]{1,64}@[^\s@<>()\[\],;:\\"./]+(\.[^\s@<>()\[\],;:\\"./]+)+')
_URL = re.compile(r"https?://(\[[0-9A-Fa-f:.]+\]|[^\s/?#\[\]@:\\]+)(:[0-9]{1,5})?([/?#]\S*)?", re.IGNORECASE)
_PHONE_DIGITS = 3  # the shortest numbers, such as emergency calls
_SHA256 = re.compile(r"[0-9a-f]{64}")
_MEDIA_TYPE = re.compile(r"[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,63}/[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,63}")


def is_email(text: str) -> bool:
    """Whether the text has the form of an email address; whether it exists, only a mail can tell."""
    return len(text) <= MAX_EMAIL and _EMAIL.fullmatch(text) is not None


def is_url(text: str) -> bool:
    """Whether the text is an absolute http or https address without credentials."""
    return len(text) <= MAX_URL and _URL.fullmatch(text) is not None


def is_phone(text: str) -> bool:
    """Whether the text can be a phone number; whether it exists, the check `phone` tells."""
    return len(text) <= MAX_PHONE and sum(map(str.isdigit, text)) >= _PHONE_DIGITS


def is_boolean(value: Any) -> bool:
    """`true` or `false`."""
    return type(value) is bool


def is_scalar(value: Any) -> bool:
    """One text, number, `true` or `false`."""
    return isinstance(value, str | int | float)


def is_other(value: Any) -> bool:
    """An answer in own words: `{"other": "text"}`."""
    return type(value) is dict and len(value) == 1 and type(value.get("other")) is str and bool(value["other"].strip())


def _between(value: Any, low: float, high: float) -> bool:
    return type(value) is not bool and isinstance(value, int | float) and low <= value <= high


def is_geopoint(value: Any) -> bool:
    """A place on Earth, with altitude and accuracy in metres if they are known."""
    if type(value) is not dict or not value.keys() <= {"latitude", "longitude", "altitude", "accuracy"}:
        return False
    return (
        _between(value.get("latitude"), -90, 90)
        and _between(value.get("longitude"), -180, 180)
        and (value.get("altitude") is None or _between(value["altitude"], -1e7, 1e9))  # metres; a balloon and a mine both fit
        and (value.get("accuracy") is None or _between(value["accuracy"], 0, 1e9))
    )


def is_file(value: Any) -> bool:
    """A file by its name, and where it is or what is in it."""
    if type(value) is not dict or not value.keys() <= {"name", "url", "sha256", "size", "type"}:
        return False
    name, url, digest, size, media = (value.get(key) for key in ("name", "url", "sha256", "size", "type"))
    return (
        _is_file_name(name)
        and (url is not None or digest is not None)
        and (url is None or (type(url) is str and is_url(url)))
        and (digest is None or (type(digest) is str and _SHA256.fullmatch(digest) is not None))
        and (size is None or (type(size) is int and 0 <= size <= INTEGER_HIGH))
        and (media is None or (type(media) is str and _MEDIA_TYPE.fullmatch(media) is not None))
    )


def _is_file_name(name: Any) -> bool:
    """A bare name: a path in it could lead someone who saves the file out of the folder."""
    if type(name) is not str or not 1 <= len(name) <= MAX_FILE_NAME or name in (".", "..") or not name.isprintable():
        return False
    return "/" not in name and "\\" not in name

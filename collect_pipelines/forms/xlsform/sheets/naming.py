"""Names of a workbook as keys: deterministic, unique over the whole form, and made of what a key may have."""

import hashlib
import re
import unicodedata

from collect_pipelines.forms.faults import KEY, RESERVED_KEYS

__all__ = ["Keys", "plain_key", "slug_of"]

MAX_KEY = 63
_OTHER = re.compile(r"[^a-z0-9]+")


def plain_key(name: str) -> str:
    """
    The key of a name by itself: small letters without accents, everything else `_`.

    A name without any such letter gets one made from its SHA-256, so that the same name always has the same key.
    """
    if KEY.fullmatch(name) and name not in RESERVED_KEYS:
        return name
    flat = "".join(letter for letter in unicodedata.normalize("NFKD", name) if not unicodedata.combining(letter))
    key = _OTHER.sub("_", flat.lower()).strip("_")
    if not key or not _mostly_ascii(flat):
        key = f"q_{hashlib.sha256(name.encode('utf-8', 'replace')).hexdigest()[:8]}"
    if not key[0].isalpha():
        key = f"q_{key}"
    if key in RESERVED_KEYS:
        key = f"{key}_name"
    return key if len(key) <= MAX_KEY else f"{key[: MAX_KEY - 9].rstrip('_')}_{hashlib.sha256(name.encode()).hexdigest()[:8]}"


class Keys:
    """Keys given out so far."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def give(self, name: str, around: str | None) -> str:
        """A key for the name; when it is taken, with the key of the group around it before it, else with a number behind it."""
        key = plain_key(name)
        if key in self._taken and around:
            key = plain_key(f"{around}_{key}")
        bare, number = key, 1
        while key in self._taken:
            number += 1
            key = f"{bare[: MAX_KEY - len(str(number)) - 1]}_{number}"
        self._taken.add(key)
        return key

    def is_free(self, key: str) -> bool:
        """Whether nothing has this key yet."""
        return key not in self._taken

    def take(self, key: str) -> None:
        """Reserves a key that is given from elsewhere."""
        self._taken.add(key)


def slug_of(text: str) -> str:
    """A form's name from whatever names it."""
    words = _OTHER.sub("_", unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()).strip("_")
    slug = words if words[:1].isalpha() else f"form_{words}".rstrip("_")
    return slug[:MAX_KEY]


def _mostly_ascii(text: str) -> bool:
    """Whether what is left without accents still tells the name."""
    letters = [letter for letter in text if letter.isalnum()]
    return sum(letter.isascii() for letter in letters) * 2 > len(letters)

"""Words of the product itself in the languages of forms."""

__all__ = ["yes_no"]

YES_NO: dict[str, tuple[str, str]] = {
    "ar": ("نعم", "لا"),
    "bn": ("হ্যাঁ", "না"),
    "de": ("Ja", "Nein"),
    "en": ("Yes", "No"),
    "es": ("Sí", "No"),
    "fr": ("Oui", "Non"),
    "hi": ("हाँ", "नहीं"),
    "id": ("Ya", "Tidak"),
    "it": ("Sì", "No"),
    "mr": ("होय", "नाही"),
    "pt": ("Sim", "Não"),
    "sw": ("Ndiyo", "Hapana"),
}


def yes_no(language: str | None) -> tuple[str, str]:
    """The words for true and false in the language, in English where it is not known here."""
    base = (language or "").partition("-")[0]
    return YES_NO.get(base, YES_NO["en"])

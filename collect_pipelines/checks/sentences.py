"""What phone, email and duplicate tell the person who collects, in the languages the product speaks."""

from collect_pipelines.forms.definition import label_in

__all__ = ["sentence"]

_SENTENCES: dict[str, dict[str, str]] = {
    "unjudged": {
        "en": "Only the first {most} answers of this kind were checked.",
        "es": "Solo se comprobaron las primeras {most} respuestas de este tipo.",
        "fr": "Seules les {most} premières réponses de ce type ont été contrôlées.",
        "hi": "इस प्रकार के केवल पहले {most} उत्तर जाँचे गए।",
    },
    "email.invalid": {
        "en": "“{label}” is not an email address that can exist.",
        "es": "«{label}» no es una dirección de correo que pueda existir.",
        "fr": "« {label} » n'est pas une adresse électronique possible.",
        "hi": "“{label}” कोई संभव ईमेल पता नहीं है।",
    },
    "email.typo": {
        "en": "“{label}”: is it {suggestion} after the @?",
        "es": "«{label}»: ¿es {suggestion} después de la @?",
        "fr": "« {label} » : est-ce {suggestion} après le @ ?",
        "hi": "“{label}”: क्या @ के बाद {suggestion} है?",
    },
    "duplicate.respondent": {
        "en": "This respondent has answered before.",
        "es": "Esta persona ya ha respondido antes.",
        "fr": "Cette personne a déjà répondu.",
        "hi": "यह व्यक्ति पहले भी उत्तर दे चुका है।",
    },
    "duplicate.content": {
        "en": "The same answers have been sent before.",
        "es": "Las mismas respuestas ya se enviaron antes.",
        "fr": "Les mêmes réponses ont déjà été envoyées.",
        "hi": "यही उत्तर पहले भी भेजे जा चुके हैं।",
    },
}


def sentence(name: str, language: str | None, **values: object) -> str:
    """One sentence, in English where the language is missing. Labels are put in as they are."""
    return label_in(_SENTENCES[name], language).format_map(values)

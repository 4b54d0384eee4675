"""What people who collect are told about an answer, in the languages the product speaks; English where a language is missing."""

from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["LANGUAGES", "listed", "say"]

LANGUAGES = ("en", "es", "fr", "hi")

_TEXTS: dict[str, tuple[str, str, str, str]] = {
    "required": (
        "Please answer “{label}”.",
        "Responda a «{label}».",
        "Veuillez répondre à « {label} ».",
        "कृपया “{label}” का उत्तर दें।",
    ),
    "unknown": (
        "This form has no question “{label}”.",
        "Este formulario no tiene la pregunta «{label}».",
        "Ce formulaire n'a pas de question « {label} ».",
        "इस फ़ॉर्म में “{label}” प्रश्न नहीं है।",
    ),
    "unknown.near": (
        "This form has no question “{label}”; did you mean “{near}”?",
        "Este formulario no tiene la pregunta «{label}»; ¿quiso decir «{near}»?",
        "Ce formulaire n'a pas de question « {label} » ; vouliez-vous dire « {near} » ?",
        "इस फ़ॉर्म में “{label}” प्रश्न नहीं है; क्या आपका मतलब “{near}” था?",
    ),
    "unknown.renamed": (
        "The question “{label}” was renamed to “{near}” in this version of the form.",
        "La pregunta «{label}» se llama «{near}» en esta versión del formulario.",
        "La question « {label} » a été renommée en « {near} » dans cette version du formulaire.",
        "फ़ॉर्म के इस संस्करण में प्रश्न “{label}” का नाम “{near}” कर दिया गया है।",
    ),
    "retired": (
        "“{label}” is no longer asked.",
        "«{label}» ya no se pregunta.",
        "« {label} » n'est plus demandé.",
        "“{label}” अब नहीं पूछा जाता।",
    ),
    "type.text": (
        "“{label}” must be text.",
        "«{label}» debe ser texto.",
        "« {label} » doit être un texte.",
        "“{label}” पाठ होना चाहिए।",
    ),
    "type.integer": (
        "“{label}” must be a whole number.",
        "«{label}» debe ser un número entero.",
        "« {label} » doit être un nombre entier.",
        "“{label}” पूर्ण संख्या होनी चाहिए।",
    ),
    "type.decimal": (
        "“{label}” must be a number.",
        "«{label}» debe ser un número.",
        "« {label} » doit être un nombre.",
        "“{label}” संख्या होनी चाहिए।",
    ),
    "type.boolean": (
        "“{label}” must be true or false.",
        "«{label}» debe ser verdadero o falso.",
        "« {label} » doit être vrai ou faux.",
        "“{label}” सही या गलत होना चाहिए।",
    ),
    "type.choice": (
        "“{label}” must be the code of one choice, as text.",
        "«{label}» debe ser el código de una opción, como texto.",
        "« {label} » doit être le code d'un choix, sous forme de texte.",
        "“{label}” एक विकल्प का कोड (पाठ) होना चाहिए।",
    ),
    "type.choices": (
        "“{label}” must be a list of the codes of choices.",
        "«{label}» debe ser una lista de códigos de opciones.",
        "« {label} » doit être une liste de codes de choix.",
        "“{label}” विकल्पों के कोड की सूची होनी चाहिए।",
    ),
    "type.date": (
        "“{label}” must be a date such as 2026-01-31.",
        "«{label}» debe ser una fecha como 2026-01-31.",
        "« {label} » doit être une date comme 2026-01-31.",
        "“{label}” 2026-01-31 जैसी तारीख होनी चाहिए।",
    ),
    "type.time": (
        "“{label}” must be a time such as 09:30.",
        "«{label}» debe ser una hora como 09:30.",
        "« {label} » doit être une heure comme 09:30.",
        "“{label}” 09:30 जैसा समय होना चाहिए।",
    ),
    "type.datetime": (
        "“{label}” must be a date and time with its zone, such as 2026-01-31T09:30:00Z.",
        "«{label}» debe ser fecha y hora con zona, como 2026-01-31T09:30:00Z.",
        "« {label} » doit être une date et une heure avec fuseau, comme 2026-01-31T09:30:00Z.",
        "“{label}” समय क्षेत्र सहित तारीख और समय होना चाहिए, जैसे 2026-01-31T09:30:00Z।",
    ),
    "type.geopoint": (
        "“{label}” must be a place: latitude from -90 to 90 and longitude from -180 to 180.",
        "«{label}» debe ser un lugar: latitud de -90 a 90 y longitud de -180 a 180.",
        "« {label} » doit être un lieu : latitude de -90 à 90 et longitude de -180 à 180.",
        "“{label}” एक स्थान होना चाहिए: अक्षांश -90 से 90, देशांतर -180 से 180।",
    ),
    "type.file": (
        "“{label}” must be a file: its name, and its url or sha256.",
        "«{label}» debe ser un archivo: su nombre y su url o sha256.",
        "« {label} » doit être un fichier : son nom, et son url ou sha256.",
        "“{label}” एक फ़ाइल होनी चाहिए: नाम, और url या sha256।",
    ),
    "type.hidden": (
        "“{label}” must be one text, number, true or false.",
        "«{label}» debe ser un texto, un número, verdadero o falso.",
        "« {label} » doit être un texte, un nombre, vrai ou faux.",
        "“{label}” एक पाठ, संख्या, सही या गलत होना चाहिए।",
    ),
    "type.rows": (
        "“{label}” must be a list of entries.",
        "«{label}» debe ser una lista de entradas.",
        "« {label} » doit être une liste d'entrées.",
        "“{label}” प्रविष्टियों की सूची होनी चाहिए।",
    ),
    "type.row": (
        "Each entry of “{label}” must hold answers by question.",
        "Cada entrada de «{label}» debe contener respuestas por pregunta.",
        "Chaque entrée de « {label} » doit contenir des réponses par question.",
        "“{label}” की हर प्रविष्टि में प्रश्नों के उत्तर होने चाहिए।",
    ),
    "format.email": (
        "“{label}” must be an email address.",
        "«{label}» debe ser una dirección de correo.",
        "« {label} » doit être une adresse e-mail.",
        "“{label}” ईमेल पता होना चाहिए।",
    ),
    "format.url": (
        "“{label}” must be a web address that starts with http:// or https://.",
        "«{label}» debe ser una dirección web que empiece por http:// o https://.",
        "« {label} » doit être une adresse web commençant par http:// ou https://.",
        "“{label}” http:// या https:// से शुरू होने वाला वेब पता होना चाहिए।",
    ),
    "format.phone": (
        "“{label}” must be a phone number.",
        "«{label}» debe ser un número de teléfono.",
        "« {label} » doit être un numéro de téléphone.",
        "“{label}” फ़ोन नंबर होना चाहिए।",
    ),
    "choice.unknown": (
        "“{label}” must be one of the choices of the form.",
        "«{label}» debe ser una de las opciones del formulario.",
        "« {label} » doit être un des choix du formulaire.",
        "“{label}” फ़ॉर्म के विकल्पों में से एक होना चाहिए।",
    ),
    "choice.repeated": (
        "A choice of “{label}” is given twice.",
        "Una opción de «{label}» está repetida.",
        "Un choix de « {label} » est donné deux fois.",
        "“{label}” का एक विकल्प दो बार दिया गया है।",
    ),
    "choice.filtered": (
        "The choice of “{label}” does not go with “{by}”.",
        "La opción de «{label}» no corresponde a «{by}».",
        "Le choix de « {label} » ne va pas avec « {by} ».",
        "“{label}” का विकल्प “{by}” से मेल नहीं खाता।",
    ),
    "irrelevant": (
        "“{label}” is not asked after the other answers; leave it empty.",
        "«{label}» no se pregunta según las demás respuestas; déjela vacía.",
        "« {label} » n'est pas demandé d'après les autres réponses ; laissez vide.",
        "अन्य उत्तरों के अनुसार “{label}” नहीं पूछा जाता; इसे खाली छोड़ें।",
    ),
    "choice.retired": (
        "A choice of “{label}” is no longer offered.",
        "Una opción de «{label}» ya no se ofrece.",
        "Un choix de « {label} » n'est plus proposé.",
        "“{label}” का एक विकल्प अब उपलब्ध नहीं है।",
    ),
    "min": (
        "“{label}” must be at least {min}.",
        "«{label}» debe ser como mínimo {min}.",
        "« {label} » doit être au moins {min}.",
        "“{label}” कम से कम {min} होना चाहिए।",
    ),
    "max": (
        "“{label}” must be at most {max}.",
        "«{label}» debe ser como máximo {max}.",
        "« {label} » doit être au plus {max}.",
        "“{label}” अधिक से अधिक {max} होना चाहिए।",
    ),
    "min.count": (
        "“{label}” needs at least {min}.",
        "«{label}» necesita al menos {min}.",
        "« {label} » en demande au moins {min}.",
        "“{label}” में कम से कम {min} चाहिए।",
    ),
    "max.count": (
        "“{label}” takes at most {max}.",
        "«{label}» admite como máximo {max}.",
        "« {label} » en accepte au plus {max}.",
        "“{label}” में अधिक से अधिक {max} हो सकते हैं।",
    ),
    "min_length": (
        "“{label}” must have at least {min_length} characters.",
        "«{label}» debe tener al menos {min_length} caracteres.",
        "« {label} » doit avoir au moins {min_length} caractères.",
        "“{label}” में कम से कम {min_length} अक्षर होने चाहिए।",
    ),
    "max_length": (
        "“{label}” must have at most {max_length} characters.",
        "«{label}» debe tener como máximo {max_length} caracteres.",
        "« {label} » doit avoir au plus {max_length} caractères.",
        "“{label}” में अधिक से अधिक {max_length} अक्षर होने चाहिए।",
    ),
    "pattern": (
        "“{label}” does not have the form that is asked for.",
        "«{label}» no tiene el formato pedido.",
        "« {label} » n'a pas la forme demandée.",
        "“{label}” माँगे गए रूप में नहीं है।",
    ),
    "check.error": (
        "The check “{check}” could not be done.",
        "No se pudo hacer la comprobación «{check}».",
        "Le contrôle « {check} » n'a pas pu être fait.",
        "जाँच “{check}” नहीं हो सकी।",
    ),
    "check.error.starting.flag": (
        "The check “{check}” is getting ready; this response was judged without it.",
        "La comprobación «{check}» se está preparando; esta respuesta se juzgó sin ella.",
        "Le contrôle « {check} » est en préparation ; cette réponse a été jugée sans lui.",
        "जाँच “{check}” तैयार हो रही है; यह प्रतिक्रिया उसके बिना जाँची गई।",
    ),
    "check.error.starting.reject": (
        "The check “{check}” is getting ready; please send again in a moment.",
        "La comprobación «{check}» se está preparando; vuelva a enviar en un momento.",
        "Le contrôle « {check} » est en préparation ; veuillez renvoyer dans un instant.",
        "जाँच “{check}” तैयार हो रही है; कृपया थोड़ी देर में फिर भेजें।",
    ),
    "check.timeout": (
        "The check “{check}” took too long.",
        "La comprobación «{check}» tardó demasiado.",
        "Le contrôle « {check} » a pris trop de temps.",
        "जाँच “{check}” में बहुत समय लगा।",
    ),
    "rule.broken": (
        "“{label}” is not right.",
        "«{label}» no es correcto.",
        "« {label} » n'est pas correct.",
        "“{label}” सही नहीं है।",
    ),
    "rule.broken.several": (
        "{label} do not go together.",
        "{label} no concuerdan entre sí.",
        "{label} ne vont pas ensemble.",
        "{label} आपस में मेल नहीं खाते।",
    ),
    "rule.missing": (
        "Please answer “{label}”; without it the other answers can't be checked.",
        "Responda a «{label}»; sin ella no se pueden comprobar las demás respuestas.",
        "Veuillez répondre à « {label} » ; sans cela, les autres réponses ne peuvent être contrôlées.",
        "कृपया “{label}” का उत्तर दें; इसके बिना अन्य उत्तरों की जाँच नहीं हो सकती।",
    ),
    "rule.error": (
        "It could not be checked whether “{label}” is right (rule {rule}).",
        "No se pudo comprobar si «{label}» es correcto (regla {rule}).",
        "Il n'a pas pu être contrôlé si « {label} » est correct (règle {rule}).",
        "“{label}” सही है या नहीं, इसकी जाँच नहीं हो सकी (नियम {rule})।",
    ),
    "rule.unique": (
        "Another response already has the same {label}.",
        "Otra respuesta ya tiene lo mismo en {label}.",
        "Une autre réponse a déjà la même valeur pour {label}.",
        "किसी दूसरी प्रतिक्रिया में {label} पहले से यही है।",
    ),
    "phone.invalid": (
        "“{label}” is not a phone number that exists.",
        "«{label}» no es un número de teléfono que exista.",
        "« {label} » n'est pas un numéro de téléphone existant.",
        "“{label}” कोई मान्य फ़ोन नंबर नहीं है।",
    ),
    "phone.region": (
        "Write “{label}” with + and the country code.",
        "Escriba «{label}» con + y el código del país.",
        "Écrivez « {label} » avec + et l'indicatif du pays.",
        "“{label}” को + और देश के कोड के साथ लिखें।",
    ),
    "phone.type": (
        "“{label}” is not a kind of number that is asked for.",
        "«{label}» no es un tipo de número de los pedidos.",
        "« {label} » n'est pas un type de numéro demandé.",
        "“{label}” माँगे गए प्रकार का नंबर नहीं है।",
    ),
}  # fmt: skip


_QUOTED = ("“{}”", "«{}»", "« {} »", "“{}”")
_AND = (" and ", " y ", " et ", " और ")


def listed(labels: Sequence[str], language: str | None) -> str:
    """
    Labels in a row: `“Savings” and “Income”`.

    >>> listed(["A", "B", "C"], "en")
    '“A”, “B” and “C”'
    """
    at = _language(language)
    quoted = [_QUOTED[at].format(label) for label in labels]
    return _AND[at].join([", ".join(quoted[:-1]), quoted[-1]]) if len(quoted) > 1 else quoted[0]


def say(name: str, language: str | None, values: Mapping[str, Any]) -> str:
    """
    One sentence for the person who collects.

    name: the finding's code, or code and variant (`type.integer`, `max.count`). language: BCP-47, its base language counts (`hi-IN`).
    Labels are put in as they are; nothing in them is read as a place holder.
    """
    return _TEXTS[name][_language(language)].format_map(values)


def _language(language: str | None) -> int:
    base = (language or "").partition("-")[0].lower()
    return LANGUAGES.index(base) if base in LANGUAGES else 0

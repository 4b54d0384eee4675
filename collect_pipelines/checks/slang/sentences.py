"""What people who collect are told about a word, in the languages the product speaks."""

from collect_pipelines.checks.slang.lexicon import Term
from collect_pipelines.forms.messages import LANGUAGES

__all__ = ["sentence"]

_PLAIN = (
    "“{label}” has the slang word “{term}” ({language}).",
    "«{label}» contiene la palabra coloquial «{term}» ({language}).",
    "« {label} » contient le mot d'argot « {term} » ({language}).",
    "“{label}” में बोलचाल का शब्द “{term}” ({language}) है।",
)
_WITH_MEANING = (
    "“{label}” has the slang word “{term}” ({language}): {meaning}.",
    "«{label}» contiene la palabra coloquial «{term}» ({language}): {meaning}.",
    "« {label} » contient le mot d'argot « {term} » ({language}) : {meaning}.",
    "“{label}” में बोलचाल का शब्द “{term}” ({language}) है: {meaning}।",
)


def sentence(term: Term, label: str, reader: str | None) -> str:
    """One sentence in the reader's language, English where it is missing. It holds the term as the lexicon has it, not the answer."""
    base = (reader or "").partition("-")[0].lower()
    at = LANGUAGES.index(base) if base in LANGUAGES else 0
    texts = _WITH_MEANING if term.meaning else _PLAIN
    return texts[at].format_map({"label": label, "term": term.term, "language": term.language, "meaning": term.meaning.rstrip(".।")})

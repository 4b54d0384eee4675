"""The check `slang`: notes local slang in what people wrote, in the languages of the city they named."""

import hashlib
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from threading import Lock
from typing import Any, ClassVar, Literal, Self

import orjson
from pydantic import Field, field_validator, model_validator

from collect_pipelines.checks.interface import Check, CheckConfig, Draft, References
from collect_pipelines.checks.slang.lexicon import Term, clean_language
from collect_pipelines.checks.slang.matching import Hit, Matcher, Options
from collect_pipelines.checks.slang.sentences import sentence
from collect_pipelines.checks.slang.texts import OwnText, city_faults, languages_of_city, own_texts
from collect_pipelines.forms.definition import FormDefinition, label_in
from collect_pipelines.model import Finding, Severity

__all__ = ["CODE", "SlangCheck", "SlangConfig", "finding_data"]

CODE = "slang.found"
LIST = "slang"
BETWEEN = "\0"  # is in no answer and no term, so that no term reaches from one text into the next
MAX_FINDINGS = 50  # in one response; the most severe are kept
MAX_CHARACTERS = 2_000  # of one response: the costliest text of this length holds up the event loop for less than 5 ms
MAX_MATCHERS = 16  # lexicons kept ready in this process; forms of one organization share theirs

_RANK = {"reject": 0, "flag": 1, "note": 2}


class SlangConfig(CheckConfig):
    """Which languages are searched in which answers, and what a find means."""

    city: str | None = Field(
        default=None, description="Key of the select_one whose choices say what is spoken there: `attributes: {language: [mr, hi]}`."
    )
    languages: tuple[str, ...] = Field(
        default=(),
        description="Languages (BCP-47) searched without a city, and where the answered city is missing or names none. Empty: none then.",
    )
    questions: tuple[str, ...] = Field(
        default=(), description="Keys of the questions to search, also of groups and repeats. Empty: every text and own words of selects."
    )
    severity: Literal["note", "flag", "reject", "lexicon"] | None = Field(
        default=None,
        description="note, flag or reject: of every find. lexicon: what the lexicon says of the term. Unset: the same, but reject flags.",
    )
    min_length: int = Field(default=2, ge=1, le=50, description="Letters of a spelling; shorter ones are not searched.")
    romanised: bool = Field(default=True, description="Find Indic words in any Latin spelling, also those the lexicon does not list.")
    repeats: bool = Field(default=False, description="Find words with letters drawn out: timepasssss.")
    leet: bool = Field(default=False, description="Find words with digits and signs for letters: t1mep4ss.")

    @field_validator("languages")
    @classmethod
    def _are_tags(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if any(clean_language(tag) is None for tag in value):
            raise ValueError("a language is a BCP-47 tag such as hi, mr or en-IN")
        return value

    @model_validator(mode="after")
    def _names_a_language(self) -> Self:
        if self.city is None and not self.languages:
            raise ValueError("name the `city` question, or `languages`, or both")
        return self

    @property
    def options(self) -> Options:
        """How the lexicon is searched."""
        return Options(self.min_length, self.romanised, self.repeats, self.leet)


class SlangCheck(Check):
    """
    Searches what people wrote for the organization's lexicon `slang`, in the languages of the answered city.

    Code: slang.found, a note unless form or lexicon say more, with term, span (code points of the answer), language, script,
    meaning and severity of the lexicon in its data. At most 50 findings; the first 2,000 characters of a response are searched.
    """

    kind: ClassVar[str] = "slang"
    Config: ClassVar[type[CheckConfig]] = SlangConfig
    bounded: ClassVar[bool] = True
    references: ClassVar[tuple[str, ...]] = (LIST,)

    _matcher: Matcher | None = None

    def prepare(self, form: FormDefinition, references: References) -> None:
        """Makes the lexicon ready. Raises ConfigInvalid when the form has no such questions."""
        config = self._config
        city_faults(form, config.city, config.questions)
        self._only = frozenset(config.questions)
        self._matcher = _matcher(references.get(LIST, ()), config.options)

    def check(self, response: Draft, form: FormDefinition) -> Sequence[Finding]:
        """One finding per place of a term, in the order of the form."""
        assert self._matcher is not None, "prepared before the first response"
        config = self._config
        languages = languages_of_city(form, config.city, response.answers, config.languages)
        if not languages:
            return []
        found = self._search(response, form, languages)
        if len(found) > MAX_FINDINGS:
            found = sorted(found, key=lambda pair: _RANK[self._severity(pair[1].term)])[:MAX_FINDINGS]
        return [self._finding(own, hit, response.language) for own, hit in found]

    def _search(self, response: Draft, form: FormDefinition, languages: tuple[str, ...]) -> list[tuple[OwnText, Hit]]:
        """Every hit with its text. All texts are searched in one go, because a response may have thousands of short ones."""
        assert self._matcher is not None
        owns: list[OwnText] = []
        starts: list[int] = []
        parts: list[str] = []
        end = 0
        for own in own_texts(form.questions, response.answers, self._only):
            left = max(0, MAX_CHARACTERS - end)
            part = own.text if len(own.text) <= left else _beginning(own.text, left)
            owns.append(own)
            starts.append(end)
            parts.append(part)
            end += len(part) + len(BETWEEN)
            if len(part) < len(own.text):
                response.answer_metadata[own.place] = {"slang": {"searched": len(part)}}
                break
        hits = self._matcher.find(BETWEEN.join(parts), languages)
        return [(owns[at], hit.shifted(-starts[at])) for hit in hits for at in [bisect_right(starts, hit.start) - 1]]

    def _finding(self, own: OwnText, hit: Hit, reader: str | None) -> Finding:
        label = label_in(own.question.label, reader, own.question.key)
        return Finding(CODE, sentence(hit.term, label, reader), self._severity(hit.term), own.place, label, finding_data(hit))

    def _severity(self, term: Term) -> Severity:
        wanted = self._config.severity
        if wanted == "lexicon":
            return term.severity
        # Sending a response back over a word is a decision of the form's author, never of a list's.
        return wanted or ("note" if term.severity == "note" else "flag")

    @property
    def _config(self) -> SlangConfig:
        assert isinstance(self.config, SlangConfig)
        return self.config


def finding_data(hit: Hit) -> dict[str, Any]:
    """What a finding says about a hit."""
    term = hit.term
    said = {"term": term.term, "span": [hit.start, hit.end], "language": term.language, "script": term.script, "severity": term.severity}
    return {**said, "found": hit.how, **({"meaning": term.meaning} if term.meaning else {})}


def _beginning(text: str, length: int) -> str:
    """At most so many code points, ending with a whole word where there are spaces."""
    return text[:length].rsplit(None, 1)[0] if text[:length].strip() else ""


_MATCHERS: dict[tuple[bytes, Options], Matcher] = {}
_MAKING = Lock()


def _matcher(rows: Sequence[Mapping[str, Any]], options: Options) -> Matcher:
    """The rows made ready; the same object for the same rows and options, so that many forms cost the memory of one."""
    digest = hashlib.sha256(orjson.dumps(list(rows), default=dict)).digest()
    with _MAKING:  # forms of one organization are often made ready at one moment, each in a thread of its own
        made = _MATCHERS.pop((digest, options), None) or Matcher(map(Term.of_row, rows), options)
        _MATCHERS[digest, options] = made  # the last used is the last to go
        while len(_MATCHERS) > MAX_MATCHERS:
            _MATCHERS.pop(next(iter(_MATCHERS)))
    return made

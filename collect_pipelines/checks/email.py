"""Email addresses that can exist, in their normal form, and a hint where a well-known domain looks misspelt. Nothing is asked of DNS."""

from collections.abc import Sequence
from typing import ClassVar

from pydantic import Field

from collect_pipelines.checks.interface import Check, CheckConfig, Draft, References
from collect_pipelines.checks.places import TextAnswer, answers_of
from collect_pipelines.checks.sentences import sentence
from collect_pipelines.forms.definition import FormDefinition, label_in
from collect_pipelines.forms.shapes import MAX_EMAIL, is_email
from collect_pipelines.model import Finding

__all__ = ["EmailCheck", "EmailConfig", "likely_domain"]

MOST = 50  # addresses of one response
MOST_MICROSECONDS = 3_500  # for all addresses of one response: the check runs on the event loop

# Where most people who answer forms have their mail. The second line: as good, and one letter away from one of the first.
WELL_KNOWN = frozenset({
    "gmail.com", "yahoo.com", "hotmail.com", "outlook.com", "icloud.com", "rediffmail.com", "yahoo.co.in", "yahoo.co.uk", "live.com",
    "googlemail.com", "protonmail.com", "hotmail.co.uk", "hotmail.fr", "yahoo.fr", "orange.fr", "hotmail.es", "yahoo.es",
})  # fmt: skip
ALSO_RIGHT = frozenset({"mail.com", "email.com", "ymail.com", "gmail.co", "yahoo.co", "live.co", "yahoo.ca", "outlook.co"})
_KNOWN = tuple(sorted(WELL_KNOWN))


class EmailConfig(CheckConfig):
    """How email addresses are judged."""

    internationalized: bool = Field(
        default=True, description="Take addresses with letters beyond ASCII before the @ (RFC 6531). Domains may have them in any case."
    )
    typos: bool = Field(default=True, description="Note where the domain is one slip away from a well-known one, e.g. gmial.com.")
    domains: tuple[str, ...] = Field(
        default=(), max_length=100, description="Further domains whose misspellings are noted, e.g. the one of your organization."
    )


class EmailCheck(Check):
    """
    Judges each answer of type email and notes its normal form as `email`, and `domain`, in the answer's metadata.

    Codes: email.invalid (`on_violation` of the question decides between reject and flag), email.typo (note, with `suggestion`),
    email.unjudged (flag): there are more addresses than are judged. What is no address at first sight is told by the form itself.
    """

    kind: ClassVar[str] = "email"
    Config: ClassVar[type[CheckConfig]] = EmailConfig
    bounded: ClassVar[bool] = True

    def prepare(self, form: FormDefinition, references: References) -> None:
        """Loads the tables of international domain names, which the first one would else wait for."""
        _normal("name@उदाहरण.भारत", internationalized=True)

    def check(self, response: Draft, form: FormDefinition) -> Sequence[Finding]:
        """A finding per address that can't exist, and a note per domain that looks misspelt."""
        findings = []
        left = MOST_MICROSECONDS
        for count, answer in enumerate(answers_of("email", form.answerable, response.answers)):
            left -= _microseconds(answer.text)
            if count == MOST or left < 0:
                findings.append(Finding("email.unjudged", sentence("unjudged", response.language, most=count), "flag"))
                break
            finding = self._judge(answer, response)
            if finding is not None:
                findings.append(finding)
        return findings

    def _judge(self, answer: TextAnswer, response: Draft) -> Finding | None:
        assert isinstance(self.config, EmailConfig)
        if not is_email(answer.text):
            return None
        language, question = response.language, answer.question
        label = label_in(question.label, language, question.key)
        normal = _normal(answer.text, internationalized=self.config.internationalized)
        if normal is None:
            return Finding("email.invalid", sentence("email.invalid", language, label=label), question.on_violation, answer.place, label)
        email, domain = normal
        response.answer_metadata.setdefault(answer.place, {}).update(email=email, domain=domain)
        meant = likely_domain(domain, self.config.domains) if self.config.typos else None
        if meant is None:
            return None
        told = sentence("email.typo", language, label=label, suggestion=meant)
        return Finding("email.typo", told, "note", answer.place, label, {"suggestion": meant})


def _microseconds(text: str) -> int:
    """What judging it costs, at most: names beyond ASCII are translated letter by letter. Counted, so that load changes no verdict."""
    if len(text) > MAX_EMAIL:
        return 0
    return 50 + len(text) if text.isascii() and "xn--" not in text.lower() else 200 + 6 * len(text)


def likely_domain(domain: str, more: Sequence[str] = ()) -> str | None:
    """The well-known domain that this one is one slip away from; None when it is one itself, or near none."""
    if domain in WELL_KNOWN or domain in more or domain in ALSO_RIGHT:
        return None
    near = (one for one in (*more, *_KNOWN) if -1 <= len(one) - len(domain) <= 1)
    return next((one for one in near if _one_slip(domain, one)), None)


def _one_slip(typed: str, meant: str) -> bool:
    """Whether one letter is missing, too many, wrong, or two neighbours are swapped."""
    shorter, longer = sorted((typed, meant), key=len)
    if len(longer) - len(shorter) > 1:
        return False
    at = next((index for index, (one, other) in enumerate(zip(shorter, longer, strict=False)) if one != other), len(shorter))
    if len(shorter) < len(longer):
        return shorter[at:] == longer[at + 1 :]
    swapped = shorter[at + 1 : at + 2] + shorter[at : at + 1]
    return shorter[at + 1 :] == longer[at + 1 :] or (swapped == longer[at : at + 2] and shorter[at + 2 :] == longer[at + 2 :])


def _normal(text: str, *, internationalized: bool) -> tuple[str, str] | None:
    """The address in its normal form, and its domain; None when there can be no such address."""
    from email_validator import EmailNotValidError, validate_email

    try:
        found = validate_email(text, check_deliverability=False, allow_smtputf8=internationalized)
    except EmailNotValidError:
        return None
    return found.normalized, found.domain

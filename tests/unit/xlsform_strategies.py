"""Definitions for the round trip: every question type, expressions over the questions before, awkward texts, and what only we have."""

from typing import Any

from hypothesis import strategies as st

from collect_pipelines.forms.definition import FormDefinition

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), min_size=1, max_size=20)
AWKWARD = TEXT | st.sampled_from([
    "=1+1", " a ", "a\nb", "a\r\nb", "_x000D_", "x005F_", "${k0}", "${nobody}", "${", "$ {", "\x0b", "a\xa0b", "#REF!", "'a", "TRUE", "1.0",
    "\ufeff", "हिन्दी", "label::en", "yes", "<b>x</b>", "&amp;",
])  # fmt: skip
LANGUAGES = st.sampled_from([["en"], ["en", "hi"], ["hi"], ["sw", "en", "mr"], ["en", "fr", "und-x-tribal"], ["pt-BR", "zh-Hant-TW"]])
TYPES = [
    "text", "email", "url", "phone", "integer", "decimal", "boolean", "select_one", "select_multiple", "rating", "date", "time",
    "datetime", "geopoint", "file", "note", "hidden",
]  # fmt: skip
KEPT = {"phone": {"region": "IN"}, "text": {"pattern": "[0-9]{6}"}}


@st.composite
def definitions(draw: st.DrawFn) -> FormDefinition:
    languages = draw(LANGUAGES)
    maker = _Maker(draw, languages)
    questions = [maker.question(depth=2) for _ in range(draw(st.integers(1, 5)))]
    document: dict[str, Any] = {"form": "f", "title": maker.labels(1), "languages": languages, "questions": questions}
    top = [question["key"] for question in questions if question["type"] in ("text", "integer", "date") and "retired" not in question]
    if top and draw(st.booleans()):
        document["unique_by"] = top[0]
    document["rules"] = [maker.rule(number) for number in range(draw(st.integers(0, 3))) if maker.known]
    if top and draw(st.booleans()):
        document["rules"].append({"name": "all_different", "unique": [top[0]]})
    if draw(st.booleans()):
        document["metadata"] = {"owner": draw(AWKWARD)}
    return FormDefinition.model_validate(document)


class _Maker:
    def __init__(self, draw: st.DrawFn, languages: list[str]) -> None:
        self.draw, self.languages = draw, languages
        self.known: list[tuple[str, str]] = []
        """Key and type of the questions outside of repeats so far."""
        self.in_repeat = 0
        self.count = 0

    def labels(self, least: int = 0) -> dict[str, str]:
        return self.draw(st.dictionaries(st.sampled_from(self.languages), AWKWARD, min_size=least))

    def messages(self) -> dict[str, dict[str, str]]:
        return {name: self.labels(1) for name in ("constraint_message", "required_message") if self.draw(st.integers(0, 3)) == 0}

    def key(self) -> str:
        self.count += 1
        plain = f"k{self.count - 1}"
        return (
            plain
            if self.draw(st.booleans())
            else self.draw(st.sampled_from([f"{plain}__x_", f"{plain}_other", f"{plain}_count", f"meta{plain}"]))
        )

    def question(self, depth: int) -> dict[str, Any]:
        kind = self.draw(st.sampled_from([*TYPES, *(("group", "repeat") if depth else ())]))
        question: dict[str, Any] = {"key": self.key(), "type": kind, "label": self.labels(), "hint": self.labels()}
        question |= self.of_kind(kind) | self.messages()
        if self.known and self.draw(st.integers(0, 3)) == 0:
            question["relevant"] = self.condition()
        if kind in ("group", "repeat"):
            self.in_repeat += kind == "repeat"
            question["questions"] = [self.question(depth - 1) for _ in range(self.draw(st.integers(1, 2)))]
            self.in_repeat -= kind == "repeat"
        elif kind != "note" and not self.in_repeat:
            self.known.append((question["key"], kind))
        if kind not in ("note", "group"):
            question["required"] = self.draw(st.booleans())
        return {**question, **self.ours(kind)}

    def ours(self, kind: str) -> dict[str, Any]:
        """What XLSForm does not have."""
        found: dict[str, Any] = {}
        for name, value in (
            ("pii", "direct"),
            ("on_violation", "flag"),
            ("retired", "2026-01-31"),
            ("metadata", {"a": self.draw(AWKWARD)}),
        ):
            if self.draw(st.integers(0, 5)) == 0 and not (name == "retired" and kind in ("group", "repeat")):
                found[name] = value
        return found

    def of_kind(self, kind: str) -> dict[str, Any]:
        bounds: dict[str, st.SearchStrategy[Any]] = {
            "integer": st.integers(-(2**40), 2**40), "decimal": st.floats(-1e6, 1e6) | st.integers(-5, 5), "rating": st.integers(0, 3),
            "select_multiple": st.integers(0, 2), "repeat": st.integers(1, 3),
            "date": st.dates().map(str), "time": st.sampled_from(["09:30", "10:00:15"]), "datetime": st.just("2026-01-31T09:30:00Z"),
        }  # fmt: skip
        found: dict[str, Any] = {}
        if kind in bounds:
            low, high = sorted(self.draw(st.tuples(bounds[kind], bounds[kind])))
            found |= self.draw(
                st.sampled_from([{}, {"min": low}, {"min": low, "max": high}, {"max": max(high, 1) if kind == "rating" else high}])
            )
        if kind in ("text", "email", "url", "phone"):
            found |= self.draw(
                st.sampled_from(
                    [{}, {"max_length": 9}, {"min_length": 2, "max_length": 9}, {"pattern": "[a-z]+|x'y"}, {"pattern": "\\d{2}\\$"}]
                )
            )
            found |= {"region": "IN"} if kind == "phone" else {}
        if kind.startswith("select"):
            found |= self.selected()
        return found

    def selected(self) -> dict[str, Any]:
        codes = self.draw(st.lists(st.sampled_from(["a", "b", "other", "1", "2", "é", "yes"]), min_size=1, max_size=4, unique=True))
        choices = [{"code": code, "label": self.labels(1), **self.attributes()} for code in codes]
        if self.draw(st.integers(0, 4)) == 0:
            choices[0]["retired"] = True
        found: dict[str, Any] = {"choices": choices, "other": self.draw(st.booleans())}
        askable = [key for key, kind in self.known if kind in ("text", "select_one", "hidden", "select_multiple")]
        if askable and any("state" in choice["attributes"] for choice in choices) and self.draw(st.booleans()):
            found["choices_by"] = {"state": self.draw(st.sampled_from(askable))}
        return found

    def attributes(self) -> dict[str, Any]:
        several = st.lists(st.sampled_from(["mh", "ka", " x "]), min_size=1, max_size=2, unique=True)
        values = st.sampled_from(["mh", "ka", "a b"]) | several
        return {
            "attributes": self.draw(st.dictionaries(st.sampled_from(["state", "language", "name", "a b", "label::en"]), values, max_size=2))
        }

    def condition(self) -> str:
        key, kind = self.draw(st.sampled_from(self.known))
        simple = {
            "integer": [f"{key} > 3", f"{key} % 2 == 0", f"{key} in [1, 2]", f"-{key} <= {key} * 2", f"{key} / 2 == 1"],
            "rating": [f"{key}>=2"],
            "decimal": [f"{key} < 2.5", f"round({key}) == 2.0", f"{key} / 2.0 - 1.0 != 3.0"],
            "boolean": [key, f"{key} == false", f"!{key}"],
            "date": [f'{key} >= date("2024-01-01")', f"{key} <= today()", f'today() - {key} >= duration("48h")',
                     f'{key} > today() - duration("24h")'],
            "datetime": [f"{key} <= now()", f'{key} < timestamp("2026-01-31T09:30:00Z")'],
            "time": [f'{key} < "10:00:00"'],
            "select_multiple": [f'"a" in {key}', f'!("a" in {key}) || size({key}) > 1'],
            "select_one": [f'{key} == "a"', f'{key} in ["a", "b"]', f'{key}.startsWith("other: ")'],
            "text": [f'{key} == "x\'y"', f"size({key}) > 2", f'{key}.matches("^[0-9]+$")', f'{key}.matches("b")', f'{key}.contains("z")',
                     f"int({key}) > 2"],
        }  # fmt: skip
        one = self.draw(st.sampled_from([*simple.get(kind, []), f"answered({key})", f"!answered({key})"]))
        if self.draw(st.integers(0, 2)) == 0:
            return f"({one}) {self.draw(st.sampled_from(['&&', '||']))} {self.condition()}"
        return one if self.draw(st.booleans()) else f"({one})"

    def rule(self, number: int) -> dict[str, Any]:
        rule = {"name": f"rule_{number}", "expression": self.condition(), "message": self.labels()}
        return {**rule, **self.draw(st.sampled_from([{}, {}, {}, {"severity": "flag"}, {"on_missing": "fail"}, {"placement": "batch"}]))}

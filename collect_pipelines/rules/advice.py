"""What is said about operands that do not go together, and what to write instead."""

from collections.abc import Sequence

from collect_pipelines.rules.nodes import Literal, Node, ValueType
from collect_pipelines.rules.operations import MOMENTS
from collect_pipelines.rules.patterns import pattern_fault
from collect_pipelines.rules.zones import is_zone

__all__ = ["mismatch", "operand_fault"]

_NAMES: dict[str, str] = {
    "text": "a text", "integer": "an integer", "decimal": "a decimal", "boolean": "true or false", "date": "a date",
    "datetime": "a datetime", "time": "a time", "duration": "a duration", "texts": "the codes of a select_multiple",
    "rows": "the rows of a repeat", "opaque": "a place or file",
}  # fmt: skip


def operand_fault(name: str, args: Sequence[Node]) -> tuple[int, str, str] | None:
    """What is wrong with operands of the right types: where, what, and what to write."""
    if name == "matches":
        pattern = args[1]
        if not isinstance(pattern, Literal):
            return pattern.position, "the pattern must be written in the rule", 'write it in quotes, e.g. `key.matches("^[A-Z]+$")`'
        fault = pattern_fault(str(pattern.value))
        return None if fault is None else (pattern.position, "the pattern can't be used", fault)
    if name == "today" and args:
        zone = args[0]
        if not isinstance(zone, Literal) or not is_zone(str(zone.value)):
            return zone.position, "there is no such time zone", 'write its IANA name in quotes, e.g. today("Asia/Kolkata")'
    if name == "round" and len(args) == 2:
        digits = args[1]
        if not isinstance(digits, Literal) or not 0 <= int(digits.value) <= 6:  # type: ignore[arg-type]  # resolved as an integer
            return digits.position, "the digits to round to must be a number from 0 to 6", "write e.g. round(x, 2)"
    return None


def mismatch(name: str, args: Sequence[Node]) -> tuple[str, str]:
    """That an operation does not go with operands of these types, and what to write instead."""
    kinds = [arg.type for arg in args]
    shown = " and ".join(dict.fromkeys(_NAMES[kind] for kind in kinds)) or "nothing"
    sign = {"neg": "-", "one_of": "in"}.get(name, name)
    return f"`{sign}` does not go with {shown}", _advice(name, args, set(kinds))


def _advice(name: str, args: Sequence[Node], kinds: set[ValueType]) -> str:
    if kinds == {"integer", "decimal"}:
        return "write double(x) around the integer, or int(x) around the decimal"
    if kinds & MOMENTS and "text" in kinds:
        return 'write date("2026-01-31") or timestamp("2026-01-31T09:30:00Z") instead of the text'
    if kinds & MOMENTS and kinds & {"integer", "decimal"}:
        return 'write duration("72h") instead of the number; a day has 24h'
    if name == "in" and kinds == {"text"}:
        return 'write `key.contains("part")` to look into a text'
    if name in ("==", "!=", "<", "<=", ">", ">=") and "boolean" in kinds:
        return "compare twice and join with &&, e.g. `1 < age && age < 99`; true and false know only == and !="
    if name == "in":
        return 'write `key in ["a", "b"]`, or `"code" in key` for a select_multiple'
    if "texts" in kinds:
        return 'write `"code" in key`, or size(key) for how many are chosen'
    if "opaque" in kinds:
        return "ask answered(key) only"
    if "rows" in kinds:
        return "use size(key) for the number of rows"
    if "text" in kinds and kinds & {"integer", "decimal"}:
        return (
            "leave out the quotes around the number"
            if any(isinstance(arg, Literal) and arg.type == "text" for arg in args)
            else ("put the number in quotes, or write int(x) or double(x) around the text")
        )
    if name in ("&&", "||", "!", "?:"):
        return "use it with comparisons, e.g. `a < b && c < d`"
    return "see docs/rules.md for what goes with what"

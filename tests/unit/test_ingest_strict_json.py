"""What passes the JSON door is exactly what was sent, and Postgres can store it."""

import json
from decimal import Decimal
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collect_pipelines.ingest.door import MAX_DEPTH, MAX_FIELDS, canonical, read_json, split_array
from collect_pipelines.ingest.problems import Problem

REFUSED = {
    "empty body": (b"", "json-empty", []),
    "white space only": (b" \r\n\t ", "json-empty", []),
    "cut off": (b'{"a": ', "json-syntax", ["#"]),
    "text after the document": (b"{} x", "json-syntax", ["#"]),
    "two documents": (b"{}{}", "json-syntax", ["#"]),
    "a comment": (b"{} // hi", "json-syntax", ["#"]),
    "single quotes": (b"{'a': 1}", "json-syntax", ["#"]),
    "trailing comma": (b"[1,]", "json-syntax", ["#"]),
    "a tab in a text": (b'["\t"]', "json-syntax", ["#"]),
    "UTF-16": ('{"a": 1}'.encode("utf-16"), "utf8", ["#"]),
    "overlong UTF-8": (b'["\xc0\xaf"]', "utf8", ["#"]),
    "a surrogate in UTF-8": (b'["\xed\xa0\x80"]', "utf8", ["#"]),
    "lone surrogate": (b'{"answers": {"q": "\\ud800"}}', "lone-surrogate", ["#/answers/q"]),
    "surrogates in wrong order": (b'["\\udc00\\ud800"]', "lone-surrogate", ["#/0"]),
    "lone surrogate in a key": (b'{"\\ud800": 1}', "lone-surrogate", ["#/?"]),
    "NUL in a text": (b'{"answers": {"q": "a\\u0000b"}}', "nul-char", ["#/answers/q"]),
    "NUL in a key": (b'{"answers": {"a\\u0000": 1}}', "nul-char", ["#/answers/a\\u0000"]),
    "NaN": (b'{"answers": {"q": NaN}}', "number-invalid", ["#/answers/q"]),
    "Infinity": (b"[1, Infinity]", "number-invalid", ["#/1"]),
    "minus Infinity": (b"[-Infinity]", "number-invalid", ["#/0"]),
    "1e400": (b"[1e400]", "number-range", ["#/0"]),
    "1e-400": (b"[1e-400]", "number-range", ["#/0"]),
    "an exponent of twenty digits": (b'{"answers": {"q": 1e-99999999999999999999}}', "number-range", ["#/answers/q"]),
    "2^63": (b'{"answers": {"q": 9223372036854775808}}', "integer-range", ["#/answers/q"]),
    "-2^63-1": (b"[-9223372036854775809]", "integer-range", ["#/0"]),
    "5,000 digits": (b"[" + b"9" * 5000 + b"]", "integer-range", ["#/0"]),
    "5,000 decimals": (b"[0." + b"1" * 5000 + b"]", "number-range", ["#/0"]),
    "duplicate key": (b'{"answers": {"a": 1, "b": 2, "a": 3}}', "duplicate-key", ["#/answers/a"]),
    "duplicate key by escape": (b'{"a": 1, "\\u0061": 2}', "duplicate-key", ["#/a"]),
    "too deep": (b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1), "depth", ["#" + "/0" * MAX_DEPTH]),
    "very deep": (b"[" * 200_000, "depth", ["#"]),
    "very deep objects": (b'{"a":' * 100_000, "depth", ["#"]),
    "too many fields": (orjson.dumps({str(number): number for number in range(MAX_FIELDS + 1)}), "too-many-fields", ["#"]),
}


@pytest.mark.parametrize("name", REFUSED)
def test_it_is_refused_with_a_code_and_a_place(name: str) -> None:
    body, code, pointers = REFUSED[name]

    with pytest.raises(Problem) as refused:
        read_json(body)

    assert refused.value.code == code
    assert [place.pointer for place in refused.value.places] == pointers
    assert 400 <= refused.value.kind.status < 500


ACCEPTED: dict[str, tuple[bytes, Any]] = {
    "a byte order mark": (b"\xef\xbb\xbf[1]", [1]),
    "the largest integers": (b"[9223372036854775807, -9223372036854775808]", [2**63 - 1, -(2**63)]),
    "deep enough for anyone": (b"[" * MAX_DEPTH + b"]" * MAX_DEPTH, None),
    "many brackets side by side": (b"[" + b",".join([b"[]"] * 100) + b"]", [[]] * 100),
    "brackets inside texts": (orjson.dumps(["[{" * 50]), ["[{" * 50]),
    "control characters, escaped": (b'["\\u0001\\u001f"]', ["\x01\x1f"]),
    "a pair of surrogates": (b'["\\ud83d\\ude00"]', ["\U0001f600"]),
    "bidi overrides and non-characters": ('["\u202e\ufffe"]'.encode(), ["\u202e\ufffe"]),
    "names of JavaScript's own": (b'{"__proto__": {"constructor": 1}}', {"__proto__": {"constructor": 1}}),
    "a text that looks like an escaped NUL": (b'["\\\\u0000"]', ["\\u0000"]),
    "zero with an exponent of twenty digits": (b"[0e99999999999999999999, -0.0E-99999999999999999999]", [0.0, -0.0]),
    "minus zero": (b"[-0, -0.0]", [0, -0.0]),
}


@pytest.mark.parametrize("name", ACCEPTED)
def test_it_is_taken_as_it_is(name: str) -> None:
    body, expected = ACCEPTED[name]

    document = read_json(body)

    assert expected is None or document == expected


@pytest.mark.parametrize("text", ["0.1", "0.1000000000000000055511151231257827", "1E5", "-0.0", "123456789.123456789123456789", "1e308"])
def test_decimals_are_kept_exactly(text: str) -> None:
    stored = canonical(read_json(f"[{text}]".encode())).decode()

    assert Decimal(stored[1:-1]) == Decimal(text)


def test_one_and_one_point_zero_differ() -> None:
    assert canonical(read_json(b"[1]")) != canonical(read_json(b"[1.0]"))


def test_key_order_and_white_space_do_not_matter() -> None:
    assert canonical(read_json(b'{"a": 1, "b": [2, {"d": 1, "c": 2}]}')) == canonical(read_json(b'{"b":[2,{"c":2,"d":1}],"a":1}'))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda children: st.lists(children, max_size=4) | st.dictionaries(st.text(max_size=5), children, max_size=4),
    max_leaves=20,
)


@given(json_values)
def test_every_json_value_is_taken_or_refused_for_a_named_reason(value: Any) -> None:
    body = json.dumps(value).encode()

    try:
        document = read_json(body)
    except Problem as refused:
        assert refused.code in {"nul-char", "lone-surrogate", "number-range"}
    else:
        assert orjson.loads(canonical(document)) == value


@given(st.binary(max_size=200))
def test_no_bytes_do_anything_but_parse_or_be_refused(body: bytes) -> None:
    for reads in (read_json, lambda text: split_array(text, 1000)):
        try:
            reads(body)
        except Problem as refused:
            assert 400 <= refused.kind.status < 500


def test_an_array_is_split_into_the_bytes_of_its_items() -> None:
    assert split_array(b' [ {"a": 1.0} , "x,]" ,[1,2] ] ', 3) == [b'{"a": 1.0}', b'"x,]"', b"[1,2]"]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "json-empty"),
        (b'{"id": "a"}', "envelope"),
        (b"[1 2]", "json-syntax"),
        (b"[1,2] 3", "json-syntax"),
        (b"[1,", "json-syntax"),
        (b"[1,2,3,4]", "batch-too-large"),
        (b"[" * 100_000, "depth"),
    ],
)
def test_what_is_no_array_of_items_is_refused(body: bytes, code: str) -> None:
    with pytest.raises(Problem) as refused:
        split_array(body, 3)

    assert refused.value.code == code

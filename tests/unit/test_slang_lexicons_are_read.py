"""Lexicons: the product's CSV with every fault named by line and column, and the word lists others publish, never without a licence."""

from importlib.resources import files

import pytest

from collect_pipelines.checks.slang.javascript import words_of
from collect_pipelines.checks.slang.lexicon import COLUMNS, MAX_BYTES, Defaults, Term, clean_language, read_lexicon
from collect_pipelines.checks.slang.public_lists import FORMATS, MADE_BY_CODE, WILDCARD, read_list
from collect_pipelines.cli.slang import FORMAT_NAMES
from collect_pipelines.errors import ReferenceInvalid

HEADING = ",".join(COLUMNS)
ORIGIN = Defaults(source="ours", licence="CC0-1.0")
LICENSED = Defaults(licence="MIT")


def faults(content: str | bytes, defaults: Defaults = ORIGIN) -> list[str]:
    """What is said about a lexicon that can't be used, without the file's name."""
    with pytest.raises(ReferenceInvalid) as caught:
        read_lexicon(content.encode() if isinstance(content, str) else content, "l.csv", defaults)
    assert caught.value.fix
    return [problem.removeprefix("l.csv:") for problem in caught.value.problems or [caught.value.message]]


def test_an_entry_has_all_that_its_line_says() -> None:
    line = 'जुगाड़,Deva,hi,IN-MH,flag,"a way, somehow",jugaad| jugad ||jugaad,ours,CC0-1.0'

    assert read_lexicon(f"\ufeff{HEADING}\r\n{line}\r\n".encode(), "l.csv") == [
        Term("जुगाड़", "hi", "Deva", "IN-MH", "flag", "a way, somehow", ("jugaad", "jugad"), "ours", "CC0-1.0")
    ]


def test_term_and_language_are_enough_in_any_order_and_defaults_fill_the_rest() -> None:
    (term,) = read_lexicon(b"Language , TERM\nHI-latn,poa\n\n,\n", "l.csv", Defaults(source="s", licence="l", severity="flag", region="KE"))

    assert term == Term("poa", "hi-Latn", "Latn", "KE", "flag", "", (), "s", "l")
    assert Term.of_row({**term.as_row(), "source": "s", "licence": "l"}) == term


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        (",,hi,,,,,,", "2: term: is empty"),
        ("x,,,,,,,,", "2: language: must be a BCP-47 tag such as hi, hi-Latn or en-IN; give --language for a file that names none"),
        ("x,,hindi language,,,,,,", "2: language: must be"),
        ("x,Deva,hi,,,,,,", "2: script: says Deva, but the term is written in Latn; leave it empty"),
        ("x,latin,hi,,,,,,", "2: script: must be an ISO 15924 code"),
        ("x,,hi,Maharashtra,,,,,", "2: region: must be a country or part of one"),
        ("x,,hi,,bad,,,,", "2: severity: must be reject, flag, note or empty"),
        ("x,,hi,,,,a|\x07b,,", "2: variants: has control characters; remove them"),
        ("...,,hi,,,,,,", "2: term: has no letter, digit or picture that could be searched"),
        ("\u200d,,hi,,,,,,", "2: term: has no letter"),
        (f"{'x' * 101},,hi,,,,,,", "2: term: longer than 100 characters"),
        (f"x,,hi,,,{'m' * 501},,,", "2: meaning: longer than 500 characters"),
        ('x,,hi,,,"two\nlines",,,', "2: meaning: has control characters or line breaks; remove them"),
        (f"x,,hi,,,,{'|'.join(map(str, range(100, 151)))},,", "2: variants: more than 50"),
        ("x,hi", "2: has 2 cells, the heading has 9; put quotes around cells with commas"),
        ('x,"hi', "2: not CSV (unexpected end of data)"),
    ],
)
def test_a_fault_is_named_with_line_and_column(line: str, fault: str) -> None:
    (said,) = faults(f"{HEADING}\n{line}\n")

    assert said.startswith(fault)


def test_every_fault_is_told_at_once_at_the_line_where_its_entry_begins() -> None:
    content = f'{HEADING}\nx,,,,,,,,\na,,hi,,,"over\ntwo lines",,,\ny,,hi,,worse,,,,\n'

    assert [said.partition(" ")[0] for said in faults(content)] == ["2:", "3:", "5:"]
    assert len(faults(HEADING + "\n" + ",,,,,,,,x\n" * 500)) == 50


def test_without_source_or_licence_nothing_is_read() -> None:
    said = faults(f"{HEADING}\nx,,hi,,,,,,\n", Defaults())

    assert said == [
        "2: source: is empty; give --source for a file that names none",
        "2: licence: is empty; give --licence for a file that names none",
    ]


def test_a_source_has_one_licence_and_a_term_one_line() -> None:
    assert faults(f"{HEADING}\nx,,hi,,,,,s,MIT\ny,,hi,,,,,s,CC0\n") == [
        "3: licence: line 2 names another for the same source; a source has one licence"
    ]
    assert faults("term,language\nजुगाड़,hi\nजुगाड,hi\n") == ["3: term: is in line 2 already for hi; put both in one line"]


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"", "1: the file is empty; its first line names the columns"),
        (b"term,language\n", "2: term: the file has no entries"),
        (b"term;language\nx;hi\n", "1: 'term;language': no such column; the columns are term, script"),
        (b"term,script\nx,Latn\n", "1: language: the column is missing"),
        (b"term,term,language\nx,y,hi\n", "1: term: the column is there twice"),
        (b"term,language\nx,hi\ny\x00z,hi\n", "3: "),
        (b"term,language\n\xff\xfe,hi\n", "2: not UTF-8."),
        ("term,language\nxé,hi\n".encode("latin-1"), "2: not UTF-8."),
        ("term,language\nx,hi\n".encode("utf-16"), "1: not UTF-8."),
        (b"PK\x03\x04" + b"\x80" * 50, "1: not UTF-8."),
        (b"term,language\n" + b"x" * 200_000 + b",hi\n", "2: not CSV (field larger than field limit"),
        (b"x" * (MAX_BYTES + 1), "l.csv is larger than 20 MiB."),
    ],
    ids=["empty", "no-entries", "semicolons", "no-language", "twice", "nul", "bytes", "latin-1", "utf-16", "zip", "huge-cell", "huge-file"],
)
def test_whatever_the_file_is_the_answer_says_what_to_do(content: bytes, fault: str) -> None:
    (said,) = faults(content)

    assert said.startswith(fault)


def test_languages_get_their_usual_case() -> None:
    assert [clean_language(tag) for tag in ("HI", "hi-latn", "en-in", "und", "pt-br", "zh-hant-hk")] == [
        "hi", "hi-Latn", "en-IN", "und", "pt-BR", "zh-Hant-HK",
    ]  # fmt: skip
    assert [clean_language(tag) for tag in ("", "h", "hindi", "hi_IN", "hi-", "-hi", "hi-IN-x-y-z-w", "हि")] == [None] * 8


def test_the_seed_is_a_lexicon_of_harmless_words_in_seven_languages() -> None:
    terms = read_lexicon(files("collect_pipelines.checks.slang").joinpath("seed.csv").read_bytes(), "seed.csv")

    assert {term.language for term in terms} == {"hi", "mr", "bn", "ta", "te", "en-IN", "sw"}
    assert {(term.source, term.licence, term.severity) for term in terms} == {("collect-pipelines", "Apache-2.0", "note")}
    assert all(term.meaning for term in terms)


# The shapes of the published lists, with harmless words in them.
LISTS = {
    "lines": ("hi", "poa\r\n\r\n  sasa \nव्यंग\n"),
    "ldnoobw": ("hi", "poa\nsasa\nव्यंग"),
    "json": ("hi.json", '["poa", "sasa", "व्यंग"]'),
    "naughty-words": ("hi.json", '["poa", "sasa", "व्यंग"]'),
    "glin-profanity": ("hi.json", '{"words": ["poa", "sasa", "व्यंग"]}'),
    "profanity-list": (
        "hi.json",
        '[{"id": "poa", "match": "poa|po*aa", "severity": 1, "tags": ["greeting"]}, {"id": "s", "match": "sasa", "severity": 4},'
        ' {"id": "v", "match": "व्यंग", "severity": 2, "exceptions": ["* x"]}]',
    ),
    "allprofanity": (
        "hi.ts",
        '// words: "none"\nimport x from "y";\n/* ["no"] */\nconst hindi: string[] = [\n  "poa", // fine ("fine")\n'
        "  'sasa',\n  `व्यंग`,\n];\n\nexport default hindi;\n",
    ),
    "profanity-hindi": ("hi.js", 'var words = { "poa": 1,\n sasa: 1,\n "व्यंग": 1 };\n\nmodule.exports = words;\n'),
    "cuss": ("hi.js", "export const cuss = {\n  poa: 0,\n  'sasa': 2,\n  \"व्यंग\": 1\n}\n"),
}


@pytest.mark.parametrize("name", FORMATS)
def test_a_published_list_is_read_with_its_source_and_licence(name: str) -> None:
    file_name, content = LISTS[name]
    reading = read_list(content.encode(), file_name, name, Defaults(licence="MIT", source="" if FORMATS[name].source else "x"))

    assert [term.term for term in reading.terms] == ["poa", "sasa", "व्यंग"]
    assert {(term.language, term.licence) for term in reading.terms} == {("hi", "MIT")}
    assert {term.source for term in reading.terms} == {f"{FORMATS[name].source} hi" if FORMATS[name].source else "x"}
    assert [term.script for term in reading.terms] == ["Latn", "Latn", "Deva"]
    assert reading.skipped == []


def test_every_format_can_be_named_on_the_command_line() -> None:
    assert set(FORMAT_NAMES) == {"csv", *FORMATS}


def test_severities_of_published_lists_become_ours_and_never_reject() -> None:
    def severities(name: str) -> list[str]:
        file_name, content = LISTS[name]
        return [term.severity for term in read_list(content.encode(), file_name, name, LICENSED).terms]

    assert severities("cuss") == ["note", "flag", "note"]
    assert severities("profanity-list") == ["note", "flag", "note"]
    assert severities("ldnoobw") == ["note", "note", "note"]


def test_spellings_and_tags_of_a_tagged_list_are_kept() -> None:
    file_name, content = LISTS["profanity-list"]
    first = read_list(content.encode(), file_name, "profanity-list", LICENSED).terms[0]

    assert (first.term, first.variants, first.meaning) == ("poa", ("poaa",), "greeting")


@pytest.mark.parametrize("name", FORMATS)
def test_a_published_list_is_refused_without_a_licence(name: str) -> None:
    file_name, content = LISTS[name]
    with pytest.raises(ReferenceInvalid) as caught:
        read_list(content.encode(), file_name, name, Defaults(source="s", licence=" "))

    assert "--licence" in (caught.value.fix or "")
    assert FORMATS[name].licence_hint in (caught.value.fix or "")


@pytest.mark.parametrize(
    ("name", "file_name", "content", "said"),
    [
        ("lines", "words.txt", b"poa\n", "which language"),
        ("lines", "hi", b"\n \n", "has no entries"),
        ("json", "hi.json", b"[", "hi.json:1: not JSON"),
        ("json", "hi.json", b"3", "has no entries"),
        ("json", "hi.json", b"[" * 200_000, "not JSON"),
        ("cuss", "hi.js", b"export const c = {\n 'poa: 1}", "hi.js:2: a string that does not end"),
        ("allprofanity", "hi.ts", b"export default words;", "has no entries"),
        ("ldnoobw", "hi", b"\xff", "hi:1: not UTF-8"),
    ],
    ids=["no-language", "blank", "half", "number", "deep", "open-string", "no-list", "bytes"],
)
def test_a_list_that_can_not_be_read_is_refused_with_what_to_do(name: str, file_name: str, content: bytes, said: str) -> None:
    with pytest.raises(ReferenceInvalid) as caught:
        read_list(content, file_name, name, Defaults(source="s", licence="MIT"))

    assert said in caught.value.message
    assert caught.value.fix


def test_entries_that_can_not_be_searched_are_left_out_and_told() -> None:
    reading = read_list(b"poa\n...\n" + b"x" * 200 + b"\nPOA\nsasa\n", "sw", "ldnoobw", LICENSED)

    assert [term.term for term in reading.terms] == ["poa", "sasa"]
    assert reading.skipped == [
        "sw:2: has no letter, digit or picture that could be searched",
        "sw:3: longer than 100 characters",
    ]


def test_a_template_that_code_fills_in_is_left_out_and_told() -> None:
    code = "const n = 1;\nexport default ['poa', `x${n}`, `sa\\${sa`, `sasa`, { [`y${n}`]: 1 }];\nconst c = {`z${n}`: 2, poaa: 1};"
    reading = read_list(code.encode(), "sw.ts", "allprofanity", LICENSED)

    assert [term.term for term in reading.terms] == ["poa", "sa${sa", "sasa", "poaa"]
    assert set(reading.skipped) == {f"sw.ts:{line}: {MADE_BY_CODE}" for line in (2, 3)}


def test_a_wildcard_is_taken_as_the_bare_word_and_told() -> None:
    content = b'[{"match": "sasa*|poa"}, {"match": "poaa"}]'
    reading = read_list(content, "sw.json", "profanity-list", LICENSED)

    assert [(term.term, term.variants) for term in reading.terms] == [("sasa", ("poa",)), ("poaa", ())]
    assert reading.notes == [f"sw.json:1: {WILDCARD}"]


@pytest.mark.parametrize(
    ("file_name", "tag"), [("hindi.json", "hi"), ("Swahili.txt", "sw"), ("hi-latn.json", "hi-Latn"), ("Hindi (hi-Latn)", "hi-Latn")]
)
def test_a_file_may_be_called_by_the_name_of_its_language(file_name: str, tag: str) -> None:
    content = b'["poa"]' if file_name.endswith("json") else b"poa"
    reading = read_list(content, file_name, "json" if file_name.endswith("json") else "lines", Defaults(source="s", licence="MIT"))

    assert [term.language for term in reading.terms] == [tag]


def test_escapes_of_javascript_strings_are_read() -> None:
    code = r"""x = ["a\"b", 'it\'s', "\u0915", '\u{1F600}', '\x41', "line\
on"]"""

    assert [word for _, word, _ in words_of(code, "f")] == ['a"b', "it's", "क", "😀", "A", "lineon"]

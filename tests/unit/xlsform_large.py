"""A workbook as people have them: three languages, groups, repeats, a cascade of three levels, messages, metadata, remarks."""

from typing import Any

Rows = list[list[Any]]
HEADER = [
    "type",
    "name",
    "label::English (en)",
    "label::hindi",
    "label::Kiswahili (sw)",
    "hint::English (en)",
    "hint::hindi",
    "required",
    "required_message::English (en)",
    "relevant",
    "constraint",
    "constraint_message::English (en)",
    "constraint_message::hindi",
    "choice_filter",
    "calculation",
    "default",
    "read_only",
    "appearance",
    "parameters",
    "repeat_count",
    "media::image::English (en)",
]


def row(kind: str, name: str | None = None, *labels: str, **cells: str) -> list[Any]:
    """A row by column names, of columns with languages in English unless named."""
    found: dict[str, Any] = {"type": kind, "name": name, **dict(zip(HEADER[2:5], labels, strict=False))}
    for column, text in cells.items():
        plain = column.replace("media_image", "media::image")
        found[plain if plain in HEADER else f"{plain}::English (en)"] = text
    return [found.get(column) for column in HEADER]


def section(number: int) -> Rows:
    """One group of a dozen questions, every other one a repeat."""
    kind, name = ("repeat", f"crops_{number}") if number % 2 else ("group", f"section_{number}")
    return [
        row(f"begin_{kind}", name, f"Section {number}", f"भाग {number}", f"Sehemu {number}", appearance="field-list"),
        row("select_one yn", f"has_{number}", "Any?", "है?", "Ipo?", required="yes"),
        row(
            "integer",
            f"count_{number}",
            "How many?",
            "कितने?",
            "Ngapi?",
            relevant=f"${{has_{number}}} = 'yes'",
            constraint=". >= 1 and . <= 50",
        ),
        row("decimal", f"area_{number}", "Area", "क्षेत्र", "Eneo", constraint=". > 0", constraint_message="More than nothing."),
        row(
            "decimal",
            f"sown_{number}",
            "Of it sown",
            "बोया",
            "Ilipandwa",
            constraint=f". <= ${{area_{number}}}",
            constraint_message="Not more than the area.",
        ),
        row(
            "select_multiple tools",
            f"tools_{number}",
            "Tools",
            "औज़ार",
            "Zana",
            constraint="not(selected(., 'none') and count-selected(.) > 1)",
        ),
        row("date", f"sown_on_{number}", "When?", "कब?", "Lini?", constraint=". <= today()"),
        row("text", f"remark_{number}", "Remarks", "टिप्पणी", "Maoni", constraint="string-length(.) <= 200", appearance="multiline"),
        row("range", f"content_{number}", "Content?", "संतुष्ट?", "Umeridhika?", parameters="start=1 end=5 step=1", appearance="rating"),
        row("calculate", f"share_{number}", calculation=f"${{sown_{number}}} div ${{area_{number}}}"),
        row("note", f"thanks_{number}", f"Share: ${{share_{number}}}", "धन्यवाद", "Asante"),
        row(f"end_{kind}"),
    ]


SURVEY: Rows = [
    HEADER,
    row("start", "start"),
    row("end", "end"),
    row("today", "today"),
    row("deviceid", "deviceid"),
    row("audit", "audit"),
    row(
        "select_one yn",
        "consent",
        "Do you agree?",
        "क्या आप सहमत हैं?",
        "Unakubali?",
        required="yes",
        required_message="Please ask.",
        hint="Read it out.",
    ),
    row("begin_group", "about", "About you", "आपके बारे में", "Kuhusu wewe", relevant="${consent} = 'yes'"),
    row("text", "full_name", "Name", "नाम", "Jina", required="yes", appearance="w1"),
    row("integer", "age", "Age", "उम्र", "Umri", required="yes", constraint=". >= 0 and . <= 120", constraint_message="0 to 120."),
    row(
        "text",
        "phone",
        "Phone",
        "फ़ोन",
        "Simu",
        constraint="regex(., '^[0-9]{10}$')",
        constraint_message="Ten digits.",
        required="${age} >= 18",
    ),
    row("select_one state", "state", "State", "राज्य", "Jimbo", required="yes", appearance="minimal"),
    row("select_one district", "district", "District", "ज़िला", "Wilaya", choice_filter="state = ${state}"),
    row("select_one village", "village", "Village", "गाँव", "Kijiji", choice_filter="state = ${state} and district = ${district}"),
    row("geopoint", "place", "Where?", "कहाँ?", "Wapi?"),
    row("image", "photo", "Photo", "फ़ोटो", "Picha", parameters="max-pixels=1000", media_image="house.png"),
    row("end_group"),
    row("integer", "size", "Household size", "परिवार", "Kaya", required="yes", default="1"),
    row("begin_repeat", "members", "Members", "सदस्य", "Wanachama", repeat_count="${size}"),
    row("text", "member_name", "Name", "नाम", "Jina"),
    row("integer", "member_age", "Age", "उम्र", "Umri", constraint=". < (${age} + 90)"),
    row("select_one relation or_other", "relation", "Relation", "संबंध", "Uhusiano"),
    row("end_repeat"),
    row("decimal", "income", "Income", "आय", "Mapato", constraint=". >= 0"),
    row(
        "decimal",
        "savings",
        "Savings",
        "बचत",
        "Akiba",
        constraint=". <= ${income}",
        constraint_message="Not more than the income.",
        hint="Per month",
    ),
    row("rank tools", "best", "Rank the tools", "क्रम", "Panga"),
    row("acknowledge", "done", "Thank you", "धन्यवाद", "Asante"),
    row("text", "odd", "Odd", "अजीब", "Ajabu", constraint="pulldata('hh', 'a', 'b', .) != ''"),
    *(line for number in range(12) for line in section(number)),
]

CHOICES: Rows = [
    ["list_name", "name", "label::English (en)", "label::hindi", "label::Kiswahili (sw)", "state", "district"],
    ["yn", "yes", "Yes", "हाँ", "Ndiyo"],
    ["yn", "no", "No", "नहीं", "Hapana"],
    *(["state", f"s{number}", f"State {number}", f"राज्य {number}", f"Jimbo {number}"] for number in range(6)),
    *(["district", f"d{number}", f"District {number}", f"ज़िला {number}", f"Wilaya {number}", f"s{number % 6}"] for number in range(24)),
    *(
        ["village", f"v{number}", f"Village {number}", f"गाँव {number}", f"Kijiji {number}", f"s{number % 6}", f"d{number % 24}"]
        for number in range(96)
    ),
    ["relation", "child", "Child", "बच्चा", "Mtoto"],
    ["relation", "parent", "Parent", "माता-पिता", "Mzazi"],
    ["tools", "plough", "Plough", "हल", "Jembe"],
    ["tools", "tractor", "Tractor", "ट्रैक्टर", "Trekta"],
    ["tools", "none", "None", "कोई नहीं", "Hakuna"],
]

SETTINGS: Rows = [
    ["form_title", "form_id", "version", "default_language", "style", "instance_name"],
    ["Farm survey", "farm_survey", "2026110301", "English (en)", "pages", "${full_name}"],
]

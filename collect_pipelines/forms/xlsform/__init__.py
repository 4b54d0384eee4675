"""
XLSForm and XForm: forms that people have in spreadsheets, read into definitions, and definitions written back.

Import, from a file to a definition:

    reading          the file as text, by what it is: `archive` looks before a library may open it, `files` has a module per kind of file
    sheets           what every sheet says: columns, types, names, questions, choices, languages, settings, and our own sheet `collect`
    expressions      XPath as bounds and rules: `xpath` reads, `translation` translates, `logic` puts it into questions and `rules`
    pyxform_verdict  what pyxform says against the workbook
    document         all of it together, as a form file has it; `importing` makes the definition of it
    findings         what is told on the way, each with its cell

Export, from a definition to a file:

    export           layout (names and order), expressions, sheets, and the differences that our own sheet has to say
    exporting        all of it together, and the other formats; `files.writing` makes the XLSX file
"""

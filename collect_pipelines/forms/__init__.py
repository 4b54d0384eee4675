"""Form definitions: what is asked, in which types and languages, and how versions may follow each other."""

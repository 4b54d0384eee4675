"""The XPath of XLSForm and our rule language: one read from the other, where the two say the same."""

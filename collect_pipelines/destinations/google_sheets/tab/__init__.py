"""Our tabs in a spreadsheet: making them, finding them and their columns again, and what is remembered of them."""

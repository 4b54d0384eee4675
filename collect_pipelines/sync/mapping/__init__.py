"""What of a form's responses goes to one destination, and in which form. docs/integrations.md has the tables."""

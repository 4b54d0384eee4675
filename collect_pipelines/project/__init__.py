"""Config as code: what a file says there should be, what is different, and making it so."""

"""One report, three forms: the terminal, JSON, and a page."""

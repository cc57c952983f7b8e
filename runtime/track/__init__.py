"""`stc-track`: one video, many of them, or a fleet of machines."""

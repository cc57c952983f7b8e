"""Tracked masks drawn into frames, and frames made into the bytes of picture files."""

"""Identities over time: the tracker, its settings, its memory, and the rules that match."""

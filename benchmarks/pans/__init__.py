"""Clips made of annotated pictures, over which a window moves."""

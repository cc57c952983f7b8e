"""Cameras and streams: a reader process per source, its messages, and what happens when it stalls or goes down."""

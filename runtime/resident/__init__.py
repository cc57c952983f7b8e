"""Frames that stay in GPU memory, from the camera to the masks."""

"""Masks of a frame: probabilities, and dense, packed or RLE masks by the native library or by NumPy."""

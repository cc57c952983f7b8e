"""Tracks against ground truth: `stc-eval`. Every metric is a function of the `Overlap`s of the videos."""

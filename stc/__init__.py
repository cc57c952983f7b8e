"""STC: from a video instance segmentation checkpoint to tracked masks on an edge box.

The public packages are `stc.runtime` (run a model), `stc.export` (make one), `stc.model` and `stc.training` (PyTorch)
and `stc.benchmarks` (prove one). The files of this folder are what they share: errors, command
lines, files that are written whole or not at all, annotations.
"""

__version__ = "0.2.0"

"""STC: from a video instance segmentation checkpoint to tracked masks on an edge box.

The public packages are `stc.runtime` (run a model), `stc.export` (make one), `stc.model` and `stc.training` (PyTorch)
and `stc.benchmarks` (prove one). This package holds only what all of them share.
"""

__version__ = "0.1.0"

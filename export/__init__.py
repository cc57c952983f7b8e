"""From a checkpoint to a bundle: ONNX with the op `stc::DynamicMaskHead`, its passport, and the proof that it agrees.

>>> from stc.export import export
>>> bundle = export("model.pth", precision="fp16")   # doctest: +SKIP
"""

from typing import TYPE_CHECKING

from stc.lazy import names_of

if TYPE_CHECKING:
    from stc.export.bundle import export as export
    from stc.export.folder import Export as Export

# `stc-export --help` must not wait for torch, and `stc-export --onnx` does without it.
__all__, __getattr__, __dir__ = names_of(__name__, {"Export": "folder", "export": "bundle"})

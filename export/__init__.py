"""From a checkpoint to a bundle: ONNX with the op `stc::DynamicMaskHead`, its passport, and the proof that it agrees.

>>> from stc.export import export
>>> bundle = export("model.pth", precision="fp16")   # doctest: +SKIP
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stc.export.bundle import Export as Export
    from stc.export.bundle import export as export

__all__ = ["Export", "export"]


def __getattr__(name: str) -> Any:
    # Lazy, so that `stc-export --help` does not wait for torch.
    if name in __all__:
        from stc.export import bundle

        return getattr(bundle, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

"""The custom meta that carries what was found with a buffer: `StcTracks`, whose structure has one field, `json`."""

from __future__ import annotations

import ctypes
from typing import Any

from stc.runtime.gstreamer.gst import GObject, Gst

NAME, FIELD = "StcTracks", "json"

# PyGObject hands out a copy of a meta's structure, so that what is written there is lost: it is written to in C.
_library = ctypes.CDLL("libgstreamer-1.0.so.0")
_library.gst_custom_meta_get_structure.restype = ctypes.c_void_p
_library.gst_custom_meta_get_structure.argtypes = [ctypes.c_void_p]
_library.gst_structure_set_value.restype = None
_library.gst_structure_set_value.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]

if Gst.Meta.get_info(NAME) is None:
    # Without tags it is copied whatever happens to the pixels; `frame_size` says of which frame they were.
    Gst.Meta.register_custom(NAME, [], None)


def attach(buffer: Any, text: str) -> None:
    """Give a writable buffer the JSON of its frame, instead of one that it has."""
    meta = buffer.get_custom_meta(NAME) or buffer.add_custom_meta(NAME)
    value = GObject.Value(str, text)
    # hash() of PyGObject's wrappers is the address of what they wrap.
    _library.gst_structure_set_value(_library.gst_custom_meta_get_structure(hash(meta)), FIELD.encode(), hash(value))


def attached(buffer: Any) -> str | None:
    """The JSON that a buffer carries."""
    meta = buffer.get_custom_meta(NAME)
    return None if meta is None else meta.get_structure().get_string(FIELD)


def message(element: Any, text: str) -> Any:
    """The same for the bus, from `element`."""
    structure = Gst.Structure.new_empty(NAME)
    structure.set_value(FIELD, text)
    return Gst.Message.new_element(element, structure)

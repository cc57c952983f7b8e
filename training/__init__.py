"""`stc-train`: pairs of frames in, a tracked model out."""

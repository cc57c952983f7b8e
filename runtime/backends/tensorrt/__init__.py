"""A TensorRT or TensorRT-RTX engine: its plan, its buffers, its CUDA graphs."""

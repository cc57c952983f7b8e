"""From an ONNX file to a TensorRT plan: TensorRT 10, 11 and TensorRT-RTX by one code path."""

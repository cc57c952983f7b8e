"""What runs the graph: ONNX Runtime, a TensorRT engine, or a Triton server, behind one interface."""

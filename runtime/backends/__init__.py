"""What runs the graph: ONNX Runtime, OpenVINO, a TensorRT engine, or a Triton server, behind one interface."""

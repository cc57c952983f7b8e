"""From the PyTorch model to ONNX: the graph, its precision, its quantisation."""

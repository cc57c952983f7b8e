"""What is measured: a bundle, an ONNX file, an engine or a checkpoint, each behind one interface, and the memory it
takes.
"""

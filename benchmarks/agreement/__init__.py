"""Whether a model still says what PyTorch said: detections, masks and ids, held to budgets."""

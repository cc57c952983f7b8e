"""What training minimises: targets, the losses of boxes, masks and embeddings, and their sum."""

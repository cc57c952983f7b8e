"""The proof that an exported file agrees with PyTorch: frames, ranges, comparison and its verdict."""

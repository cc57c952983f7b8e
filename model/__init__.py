"""STC in plain PyTorch: the network, its decode, and reading its checkpoints."""

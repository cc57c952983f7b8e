"""The backbones that a model can have: each in a file of its own, listed in `known`."""

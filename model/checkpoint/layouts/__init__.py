"""The layouts of checkpoints that are known: how other code bases name what we have."""

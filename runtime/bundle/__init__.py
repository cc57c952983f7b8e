"""What a bundle is and whether it may run here: passport, graph contract, files, and the engine's record."""

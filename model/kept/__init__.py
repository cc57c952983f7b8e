"""The network as it is deployed: what only a detection needs is computed where one was found, and nowhere else."""

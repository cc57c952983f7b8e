"""What surrounds the engine: its cost beside that of an earlier round, and what of it overlaps with the engine."""

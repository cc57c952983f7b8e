"""What tells objects apart after a gap: embedding, appearance, or both."""

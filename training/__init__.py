"""Training STC from annotated pictures and clips: data, losses, the loop, and what is kept of a run."""

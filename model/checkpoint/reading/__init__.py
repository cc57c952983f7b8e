"""Weight files as bytes: safetensors, and pickles without running any of their code."""

"""What the code base that trained a checkpoint was told: its config, read without running it."""

"""`python -m stc.benchmarks.startup`: how long a user waits before anything happens."""

"""`python -m stc.benchmarks.streams`: what a further camera costs, and how many a machine serves."""

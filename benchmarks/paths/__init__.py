"""`python -m stc.benchmarks.paths`: one model by every path to masks and ids."""

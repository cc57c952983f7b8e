"""`python -m stc.benchmarks.threads`: whether the default number of threads is right where processors are few."""

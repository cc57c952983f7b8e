"""`python -m stc.benchmarks.crossings`."""

from stc.benchmarks.crossings.main import entry

entry()

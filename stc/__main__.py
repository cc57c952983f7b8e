"""`python -m stc` is `stc`."""

from stc.umbrella import entry

entry()

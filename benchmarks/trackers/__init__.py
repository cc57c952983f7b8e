"""`python -m stc.benchmarks.trackers`: the tracking rules side by side on drawn scenes full of crossings."""

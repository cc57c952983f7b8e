"""Other projects' trackers beside ours, end to end, on the same frames and objects; no wheel holds this."""

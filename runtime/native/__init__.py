"""The native CPU library from Python: found, checked, and its mask head and resize called."""

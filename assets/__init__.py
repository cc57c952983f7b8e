"""Files that ship with the package; README.md says where each comes from."""

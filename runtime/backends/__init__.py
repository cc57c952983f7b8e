"""What computes the graph: one engine a file, all with the form of `backend.Backend`."""

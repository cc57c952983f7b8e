"""Model repositories for the Triton inference server, written from finished bundles."""

"""Stand-ins: of the driver, for dry runs, and of TensorRT, for machines without it."""

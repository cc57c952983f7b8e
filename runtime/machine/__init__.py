"""What this machine has (driver, GPUs, TensorRT, plugin library), and `stc-doctor`, which tells what is missing."""

"""What a GPU makes of our kernels, without TensorRT: NumPy, nvcc and the driver are enough. See scripts/gpu_kernels.sh.

`python3 -m scripts.gpu` runs the steps, each a module here and a process of its own. With `--dry` all of it runs on the
host: PTX on the executor of tests/plugins/ptx, the library as compiled for the host, the driver as in stand_in/.
"""

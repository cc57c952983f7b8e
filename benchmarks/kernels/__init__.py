"""`python -m stc.benchmarks.kernels`: the native code beside what others do; registers and traffic of the CUDA
kernels.
"""

#!/bin/sh
# Our kernels on this GPU in five minutes, without TensorRT: against the formulas, under the memory checkers, timed.
#
# NEVER EXECUTED ON A GPU: written for the first person who has one. Please report out/gpu-kernels/table.txt.
#
# Needs nvcc and a Python with NumPy (PYTHON=FILE names another one than python3), and uses PyTorch where it finds it; no
# make, no .venv, no network. Every step is a process of its own with a limit of time: one that fails stops no other.
#   bash scripts/gpu_kernels.sh          all of it; --cases 24 for fewer shapes, -o FOLDER for another place
#   bash scripts/gpu_kernels.sh --dry    the same on a machine without a GPU: what does not need one, and no times
STC_CALLED_FROM=$PWD # what a relative -o means
export STC_CALLED_FROM
cd "$(dirname "$0")/.." || exit 1
python=${PYTHON:-python3}
"$python" -c 'import numpy' 2>/dev/null || {
    echo "error: $python does not run or has no NumPy; name one that has: PYTHON=FILE bash scripts/gpu_kernels.sh" >&2
    exit 1
}
exec "$python" -m scripts.gpu "$@"

#!/bin/sh
# Everything that only a GPU can show, in one run: kernel against formulas, plugin against function body, engine against
# ONNX Runtime and PyTorch, memory checkers, time against the roofline.
#
# NEVER EXECUTED ON A GPU: written for the first person who has one. Please report what it says.
#
# Needs: a GPU with driver, nvcc, `make .venv/dev.stamp`, and in .venv: pip install -e '.[tensorrt]' (and/or '.[rtx]').
set -eu
cd "$(dirname "$0")/.."
bin=.venv/bin

$bin/stc-doctor
make plugin

echo "== the kernel, the plugin and the engines: equal to what they should be"
$bin/pytest -m gpu tests/gpu tests/test_examples.py

echo "== the kernel under the memory checkers"
# memcheck: out of bounds; racecheck: shared memory; initcheck: uninitialised reads; synccheck: barriers.
for tool in memcheck racecheck initcheck synccheck; do
    compute-sanitizer --tool "$tool" --error-exitcode 1 $bin/python -m pytest -m gpu tests/gpu/test_kernel.py
done

echo "== time"
$bin/python -m stc.benchmarks.kernels.roofline
$bin/stc-export --ckpt assets/stc-lite.safetensors --fp16 -o out/gpu/stc-lite
$bin/stc-bench out/gpu/stc-lite/engine.plan --json out/gpu/bench.json

#!/bin/sh
# Everything that only a GPU can show: first what needs nvcc and Python alone (gpu_kernels.sh), then plugin against function
# body, engine against ONNX Runtime and PyTorch, and the times of an engine.
#
# NEVER EXECUTED ON A GPU: written for the first person who has one. Please report out/gpu*/*.txt.
#
# Needs: a GPU with driver, nvcc, `make .venv/dev.stamp`, and in .venv: pip install -e '.[tensorrt]' (and/or '.[rtx]').
# A part that fails stops no other; the last line says how many did.
cd "$(dirname "$0")/.." || exit 1
bin=.venv/bin
failed=0
mkdir -p out/gpu

# part NAME COMMAND...: says it, keeps what it says in out/gpu/NAME.txt, and goes on whatever it returns.
part() {
    name=$1
    shift
    echo "== $name: $*"
    "$@" >"out/gpu/$name.txt" 2>&1
    code=$?
    tail -n 40 "out/gpu/$name.txt"
    if [ $code -ne 0 ]; then
        failed=$((failed + 1))
        echo "FAIL $name: exit code $code, all of it in out/gpu/$name.txt"
    fi
}

part kernels-alone env PYTHON=$bin/python bash scripts/gpu_kernels.sh
part doctor $bin/stc-doctor
part plugin make plugin
part kernel-tests $bin/pytest -m gpu tests/gpu/test_kernel.py
part engine-tests $bin/pytest -m gpu tests/gpu/test_engine.py tests/test_examples.py
part export $bin/stc-export --ckpt assets/stc-lite-2.safetensors --fp16 -o out/gpu/stc-lite
part bench $bin/stc-bench out/gpu/stc-lite/engine.plan --json out/gpu/bench.json
echo "$failed parts failed"
test $failed -eq 0

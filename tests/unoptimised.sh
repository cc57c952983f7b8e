#!/bin/sh
# The C++ compiler, for tests of what is packed and installed: there it does not matter how fast that computes.
exec c++ "$@" -O0

# cmake -DINPUT=FILE -DOUTPUT=FILE -DARCHITECTURE=75 -P oldest_ptx.cmake: PTX that asks for the oldest instruction set that
# has its architecture. nvcc always writes its own newest, which older drivers refuse although the kernel needs none of it
# (CUDA 12's assembler is asked in tests/plugins/test_plugin.py). The numbers: "Release Notes" of the PTX ISA's manual.
set(version_75 6.3)
set(version_80 7.0)
set(version_86 7.1)
set(version_87 7.4)
set(version_89 7.8)
set(version_90 7.8)

file(READ ${INPUT} text)
if(version_${ARCHITECTURE})
  string(REGEX REPLACE "\n\\.version [0-9.]+\n" "\n.version ${version_${ARCHITECTURE}}\n" text "${text}")
endif()
file(WRITE ${OUTPUT} "${text}")

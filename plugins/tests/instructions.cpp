// A plugin of QEMU's: how many instructions a program has executed, on stderr at its end (`instructions: N`). Declares
// the few functions that it uses of QEMU's interface for plugins, whose header is in no package. QEMU_PLUGIN_API is the
// interface's number: 1 up to QEMU 8, 2 from 9 on. Built and loaded by benchmarks/kernels/arm.py.
#include <cinttypes>
#include <cstddef>
#include <cstdint>
#include <cstdio>

extern "C" {

struct qemu_plugin_tb;
size_t qemu_plugin_tb_n_insns(const qemu_plugin_tb* block);
void qemu_plugin_register_vcpu_tb_trans_cb(uint64_t id, void (*translated)(uint64_t id, qemu_plugin_tb* block));
void qemu_plugin_register_vcpu_tb_exec_cb(qemu_plugin_tb* block, void (*executed)(unsigned cpu, void* data), int flags,
                                          void* data);
void qemu_plugin_register_atexit_cb(uint64_t id, void (*ended)(uint64_t id, void* data), void* data);

__attribute__((visibility("default"))) int qemu_plugin_version = QEMU_PLUGIN_API;

__attribute__((visibility("default"))) int qemu_plugin_install(uint64_t id, const void*, int, char**) {
  static uint64_t instructions = 0;
  // A block, once begun, is executed whole.
  qemu_plugin_register_vcpu_tb_trans_cb(id, [](uint64_t, qemu_plugin_tb* block) {
    const auto add = [](unsigned, void* count) { instructions += reinterpret_cast<uintptr_t>(count); };
    qemu_plugin_register_vcpu_tb_exec_cb(block, add, 0, reinterpret_cast<void*>(qemu_plugin_tb_n_insns(block)));
  });
  const auto print = [](uint64_t, void*) { std::fprintf(stderr, "instructions: %" PRIu64 "\n", instructions); };
  qemu_plugin_register_atexit_cb(id, print, nullptr);
  return 0;
}
}

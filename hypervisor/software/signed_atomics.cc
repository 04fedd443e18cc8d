// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// Unicorn executes LDSMIN and LDSMAX of 8, 16 and 32 bits as if they were unsigned: it generates
// code for them that compares 64 bits, and does not extend the sign. The linker puts these
// functions before those that generate (third_party/unicorn.BUILD).
#include <cstdint>

namespace {

// QEMU's MemOp: the size in bytes is 2 to the power of bits [1:0]; bit 2 extends the sign.
constexpr uint32_t kSize = 3, kSigned = 4;
constexpr uint32_t k8Bits = 0, k16Bits = 1, k32Bits = 2;

}  // namespace

// The arguments: TCGContext; what was in memory before, the address and the operand, each a
// TCGv_i64; the MMU index; a MemOp.
extern "C" {
// NOLINTBEGIN(bugprone-reserved-identifier,readability-identifier-naming)
using Generate = void(void* tcg, void* old, void* address, void* operand, uint64_t mmu_index,
                      uint32_t memop);
Generate __real_tcg_gen_atomic_fetch_smin_i64_aarch64;
Generate __real_tcg_gen_atomic_fetch_smax_i64_aarch64;
using Extend = void(void* tcg, void* to, void* from);
Extend tcg_gen_ext8u_i64_aarch64;
Extend tcg_gen_ext16u_i64_aarch64;
Extend tcg_gen_ext32u_i64_aarch64;
}

namespace {

void GenerateSigned(Generate* generate, void* tcg, void* old, void* address, void* operand,
                    uint64_t mmu_index, uint32_t memop) {
  const uint32_t size = memop & kSize;
  if (size > k32Bits) {
    generate(tcg, old, address, operand, mmu_index, memop);
    return;
  }
  generate(tcg, old, address, operand, mmu_index, memop | kSigned);
  // The register gets what was there zero-extended.
  constexpr Extend* kExtend[] = {tcg_gen_ext8u_i64_aarch64, tcg_gen_ext16u_i64_aarch64,
                                 tcg_gen_ext32u_i64_aarch64};
  static_assert(k8Bits == 0 && k16Bits == 1 && k32Bits == 2);
  kExtend[size](tcg, old, old);
}

}  // namespace

extern "C" {

void __wrap_tcg_gen_atomic_fetch_smin_i64_aarch64(void* tcg, void* old, void* address,
                                                  void* operand, uint64_t mmu_index,
                                                  uint32_t memop) {
  GenerateSigned(__real_tcg_gen_atomic_fetch_smin_i64_aarch64, tcg, old, address, operand,
                 mmu_index, memop);
}

void __wrap_tcg_gen_atomic_fetch_smax_i64_aarch64(void* tcg, void* old, void* address,
                                                  void* operand, uint64_t mmu_index,
                                                  uint32_t memop) {
  GenerateSigned(__real_tcg_gen_atomic_fetch_smax_i64_aarch64, tcg, old, address, operand,
                 mmu_index, memop);
}

// NOLINTEND(bugprone-reserved-identifier,readability-identifier-naming)
}

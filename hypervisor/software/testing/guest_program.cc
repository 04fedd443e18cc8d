// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "hypervisor/software/testing/guest_program.h"

#include <elf.h>

#include <cstring>
#include <fstream>
#include <iterator>

#include "absl/log/check.h"

namespace firn::software {
namespace {

template <typename T>
T At(const std::string& file, uint64_t offset) {
  CHECK_LE(offset + sizeof(T), file.size());
  T value;
  memcpy(&value, file.data() + offset, sizeof(T));
  return value;
}

}  // namespace

GuestProgram GuestProgram::Load(std::string_view runfile) {
  // Tests start in their runfiles.
  std::ifstream stream{std::string(runfile), std::ios::binary};
  CHECK(stream.is_open()) << runfile;
  const std::string file((std::istreambuf_iterator<char>(stream)), {});
  const auto header = At<Elf64_Ehdr>(file, 0);
  CHECK_EQ(memcmp(header.e_ident, ELFMAG, SELFMAG), 0) << runfile;
  CHECK_EQ(header.e_machine, EM_AARCH64) << runfile;

  GuestProgram program;
  for (unsigned n = 0; n < header.e_phnum; ++n) {
    const auto segment = At<Elf64_Phdr>(file, header.e_phoff + n * sizeof(Elf64_Phdr));
    if (segment.p_type != PT_LOAD || segment.p_filesz == 0) continue;
    CHECK(program.image.empty()) << runfile << " has more than one segment";
    CHECK_LE(segment.p_offset + segment.p_filesz, file.size());
    program.base = GuestAddress(segment.p_vaddr);
    const auto* bytes = reinterpret_cast<const std::byte*>(file.data()) + segment.p_offset;
    program.image.assign(bytes, bytes + segment.p_filesz);
    program.image.resize(segment.p_memsz);
  }
  for (unsigned n = 0; n < header.e_shnum; ++n) {
    const auto section = At<Elf64_Shdr>(file, header.e_shoff + n * sizeof(Elf64_Shdr));
    if (section.sh_type != SHT_SYMTAB) continue;
    const auto names = At<Elf64_Shdr>(file, header.e_shoff + section.sh_link * sizeof(Elf64_Shdr));
    for (uint64_t at = 0; at < section.sh_size; at += sizeof(Elf64_Sym)) {
      const auto symbol = At<Elf64_Sym>(file, section.sh_offset + at);
      program.symbols.emplace(file.c_str() + names.sh_offset + symbol.st_name, symbol.st_value);
    }
  }
  return program;
}

}  // namespace firn::software

// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "vmm/console/memory_guard.h"

#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <mutex>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "vmm/base/exit_status.h"
#include "vmm/console/terminal.h"

namespace firn {
namespace {

// One region under guard. A handler has no argument of ours, and may take no lock.
struct Slot {
  std::atomic<const void*> owner = nullptr;
  std::atomic<uintptr_t> begin = 0;
  std::atomic<uintptr_t> end = 0;  // 0: not in use
  std::atomic<const std::string*> line = nullptr;
  std::atomic<bool> zeros = false;
};
// Regions beyond these are without guard: SIGBUS is then what it always was.
Slot slots[64];

struct sigaction former;
std::once_flag installed;

const Slot* SlotOf(uintptr_t address) {
  for (const Slot& slot : slots) {
    if (slot.begin <= address && address < slot.end) return &slot;
  }
  return nullptr;
}

// Async-signal-safe: dies of the signal as if this were not here, unless it was guest memory.
void OnBusError(int signal, siginfo_t* info, void*) {
  if (HandleMemoryFault(*info)) return;
  sigaction(signal, &former, nullptr);
  if (info->si_code <= 0) raise(signal);  // sent, so it does not come again by itself
}

void Install() {
  struct sigaction action = {};
  action.sa_sigaction = &OnBusError;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  sigemptyset(&action.sa_mask);
  sigaction(SIGBUS, &action, &former);
}

std::string Line(std::string_view message) {
  std::string line = "firn: ";
  for (const char c : message) {
    line.push_back(absl::ascii_iscntrl(static_cast<unsigned char>(c)) ? '?' : c);
  }
  line.push_back('\n');
  return line;
}

}  // namespace

bool HandleMemoryFault(const siginfo_t& info) {
  // Else there is no address.
  if (info.si_code != BUS_ADRERR) return false;
  const auto address = reinterpret_cast<uintptr_t>(info.si_addr);
  const Slot* const slot = SlotOf(address);
  if (slot == nullptr) return false;
  const int saved_errno = errno;
  if (!slot->zeros) {
    RestoreTerminal();
    const std::string& line = *slot->line;
    [[maybe_unused]] const ssize_t size = write(STDERR_FILENO, line.data(), line.size());
    _exit(kExitError);
  }
  const auto page_size = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
  // NOLINTNEXTLINE(performance-no-int-to-ptr): the page of an address.
  void* const page = reinterpret_cast<void*>(address / page_size * page_size);
  const bool mapped = mmap(page, page_size, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != MAP_FAILED;
  errno = saved_errno;
  return mapped;
}

MemoryGuard::MemoryGuard(const GuestMemory& memory, std::string_view message)
    : message_(message), line_(Line(message)) {
  std::call_once(installed, &Install);
  for (const GuestMemoryRegion& region : memory.regions()) {
    for (Slot& slot : slots) {
      const void* none = nullptr;
      if (!slot.owner.compare_exchange_strong(none, this)) continue;
      slot.line = &line_;
      slot.zeros = false;
      slot.begin = reinterpret_cast<uintptr_t>(region.host);
      slot.end = slot.begin + region.range.size();
      break;
    }
  }
}

MemoryGuard::~MemoryGuard() {
  for (Slot& slot : slots) {
    if (slot.owner != this) continue;
    slot.end = 0;
    slot.owner = nullptr;
  }
}

void MemoryGuard::AnswerWithZeros() {
  for (Slot& slot : slots) {
    if (slot.owner == this) slot.zeros = true;
  }
}

}  // namespace firn

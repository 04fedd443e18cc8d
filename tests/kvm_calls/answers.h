// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// What becomes of a boot when one of its system calls fails.
#ifndef FIRN_TESTS_KVM_CALLS_ANSWERS_H_
#define FIRN_TESTS_KVM_CALLS_ANSWERS_H_

#include <array>
#include <cerrno>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "hypervisor/kvm/testing/recording_calls.h"

namespace firn::kvm::testing {

// What KVM's calls may fail with, but for interruptions (EINTR, EAGAIN).
inline constexpr std::array kErrors = {EINVAL, ENOMEM, EMFILE, ENFILE,  EBUSY,    EPERM,  EACCES,
                                       EIO,    ENOSPC, EEXIST, ENXIO,   ENODEV,   EFAULT, ENOENT,
                                       E2BIG,  ENOTTY, ENOSYS, ENOEXEC, ETIMEDOUT};

enum class Answer {
  kNamesIt,        // an error with the call's name and the errno's
  kGoesOn,         // the call only asked what the host can do
  kSaysWhatLacks,  // an errno that says what the host is: the error says that, in words
};

// For `calls[n]`, a line of a transcript.
Answer AnswerTo(const std::vector<std::string>& calls, size_t n, int error);

// The lines of the calls that can fail: not of close and munmap.
std::vector<std::string> CallsThatCanFail(const RecordingCalls& recording);

// "KVM_CREATE_VM" for "kvm 0xae01 KVM_CREATE_VM 40 = vm"; "open", "mmap".
std::string NameOf(std::string_view call);
// Calls of one kind have one answer: they have one name, and ask of one attribute or device type.
std::string KindOf(std::string_view call);
bool IsRun(std::string_view call);
bool IsIoctl(std::string_view call);

// File descriptors of this process.
size_t OpenFds();

}  // namespace firn::kvm::testing

#endif  // FIRN_TESTS_KVM_CALLS_ANSWERS_H_

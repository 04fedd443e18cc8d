// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "hypervisor/kvm/testing/fake_host.h"

namespace firn::kvm::testing {

Capabilities Arm64Capabilities() {
  return {
      {kCapIrqchip, 1},       {kCapUserMemory, 1},     {kCapNrVcpus, 4},
      {kCapNrMemslots, 32},   {kCapMpState, 1},        {kCapIrqRouting, 1},
      {kCapIrqfd, 1},         {kCapIoeventfd, 1},      {kCapVcpuEvents, 1},
      {kCapMaxVcpus, 8},      {kCapOneReg, 1},         {kCapReadonlyMem, 1},
      {kCapIrqfdResample, 1}, {kCapArmPsci, 1},        {kCapDeviceCtrl, 1},
      {kCapArmPsci02, 1},     {kCapVcpuAttributes, 1}, {kCapMaxVcpuId, 512},
      {kCapImmediateExit, 1}, {kCapArmVmIpaSize, 40},  {kCapArmIrqLineLayout2, 1},
      {kCapCounterOffset, 1},
  };
}

Capabilities X86Capabilities() {
  return {
      {kCapIrqchip, 1},       {kCapUserMemory, 1},     {kCapNrVcpus, 4},
      {kCapMpState, 1},       {kCapNrMemslots, 32764}, {kCapIrqRouting, 4096},
      {kCapIrqfd, 1},         {kCapIoeventfd, 1},      {kCapVcpuEvents, 1},
      {kCapMaxVcpus, 1024},   {kCapReadonlyMem, 1},    {kCapIrqfdResample, 1},
      {kCapDeviceCtrl, 1},    {kCapVcpuAttributes, 1}, {kCapMaxVcpuId, 4096},
      {kCapImmediateExit, 1},
  };
}

FakeHost Gicv5Host() {
  FakeHost host;
  host.vgic_v5 = kDevTypeArmVgicV5;
  return host;
}

FakeHost Gicv3Host() {
  FakeHost host;
  host.has_vgic_v3 = true;
  host.has_its = true;
  return host;
}

FakeHost X86Host() {
  FakeHost host;
  host.is_x86 = true;
  host.capabilities = X86Capabilities();
  return host;
}

}  // namespace firn::kvm::testing

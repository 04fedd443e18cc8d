// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "hypervisor/software/gicv5/instructions.h"

#include "hypervisor/software/gicv5/encodings.h"

namespace firn::software::gicv5 {
namespace {

// The entry that an operand names; nothing where it names none.
std::optional<Iste> Lookup(const InstructionContext& context, std::optional<Intid> intid) {
  if (!intid || context.irs == nullptr) return std::nullopt;
  return context.irs->Find(*intid);
}

// ICC_ICSR_EL1, as CDRCFG fills it.
uint64_t ReadConfiguration(const InstructionContext& context, std::optional<Intid> intid) {
  const std::optional<Iste> entry = Lookup(context, intid);
  if (!entry) return 1;  // F
  return uint64_t{entry->Has(Iste::kEnable)} << 1 | uint64_t{entry->Has(Iste::kPending)} << 2 |
         uint64_t{entry->Has(Iste::kIrm)} << 3 | uint64_t{entry->Has(Iste::kActive)} << 4 |
         uint64_t{entry->Has(Iste::kLevel)} << 5 | uint64_t{entry->priority()} << 11 |
         uint64_t{entry->iaffid()} << 32;
}

Iste SetPending(const InstructionContext& context, Intid intid, Iste entry, bool pending) {
  entry = entry.With(Iste::kPending, pending);
  // A line that is still high makes a level SPI pending again at once. What CDPEND set lasts
  // until the line changes or the handler deactivates.
  if (!pending && intid.type == IntidType::kSpi) {
    entry = context.lines->Reevaluate(intid.id, entry);
  }
  return entry;
}

void Deactivate(const InstructionContext& context, Intid intid,
                std::optional<uint32_t>* deactivated) {
  if (intid.type == IntidType::kPpi) {
    if (intid.id < kPpis) context.cpu->DeactivatePpi(intid.id);
    return;
  }
  std::optional<Iste> entry = Lookup(context, intid);
  if (!entry || !entry->Has(Iste::kActive)) return;
  Iste inactive = entry->With(Iste::kActive, false);
  if (intid.type == IntidType::kSpi) {
    if (inactive.Has(Iste::kLevel)) *deactivated = intid.id;
    // A level that was restored or set by CDPEND ends here unless the line is really high.
    if (inactive.Has(Iste::kLevel)) inactive = context.lines->Reevaluate(intid.id, inactive);
  }
  context.irs->Update(intid, inactive);
}

}  // namespace

bool ExecuteSys(const InstructionContext& context, SystemRegister instruction, uint64_t operand,
                std::optional<uint32_t>* deactivated) {
  const std::optional<Intid> intid = Intid::FromOperand(operand);
  const auto update = [&](auto change) {
    if (const std::optional<Iste> entry = Lookup(context, intid)) {
      context.irs->Update(*intid, change(*entry));
    }
    return true;
  };
  switch (instruction.packed()) {
    case kGsbSys.packed():
    case kGsbAck.packed():
      return true;  // every instruction is complete when it returns
    case kGicCddis.packed():
      return update([](Iste entry) { return entry.With(Iste::kEnable, false); });
    case kGicCden.packed():
      return update([](Iste entry) { return entry.With(Iste::kEnable, true); });
    case kGicCdpri.packed():
      return update([&](Iste entry) {
        return entry.WithPriority(operand >> 35 & context.irs->priority_mask());
      });
    case kGicCdaff.packed():
      // IRM is ignored: IRS_IDR0.ONE_N is 0.
      return update([&](Iste entry) {
        return entry.With(Iste::kIrm, false).WithIaffid(static_cast<uint16_t>(operand >> 32));
      });
    case kGicCdpend.packed():
      return update(
          [&](Iste entry) { return SetPending(context, *intid, entry, (operand >> 32 & 1) != 0); });
    case kGicCdhm.packed():
      // An SPI's mode follows SPI_CFGR.TM.
      if (!intid || intid->type != IntidType::kLpi) return true;
      return update([&](Iste entry) { return entry.With(Iste::kLevel, (operand >> 32 & 1) != 0); });
    case kGicCdrcfg.packed():
      context.cpu->SetIcsr(ReadConfiguration(context, intid));
      return true;
    case kGicCdeoi.packed():
      context.cpu->DropRunningPriority();
      return true;
    case kGicCddi.packed():
      if (intid) Deactivate(context, *intid, deactivated);
      return true;
    default:
      return false;
  }
}

bool ExecuteSysl(const InstructionContext& context, SystemRegister instruction, bool nmi_enabled,
                 std::optional<Intid>* acknowledged) {
  const bool for_nmi = instruction == kGicrCdnmia;
  if (!for_nmi && instruction != kGicrCdia) return false;
  const std::optional<Candidate> candidate = context.cpu->highest_pending();
  if (!candidate) return true;
  const bool is_nmi = nmi_enabled && candidate->priority == 0;
  if (is_nmi != for_nmi) return true;

  const Intid intid = candidate->intid;
  context.cpu->RaiseRunningPriority(candidate->priority);
  if (intid.type == IntidType::kPpi) {
    context.cpu->AcknowledgePpi(intid.id);
  } else {
    const Iste entry = context.irs->Find(intid)->With(Iste::kActive, true);
    context.irs->Update(intid, entry.Has(Iste::kLevel) ? entry : entry.With(Iste::kPending, false));
  }
  *acknowledged = intid;
  return true;
}

}  // namespace firn::software::gicv5

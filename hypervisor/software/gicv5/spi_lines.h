// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// The input side of SPIs: trigger modes and lines, and what they do to the pending state.
// Source: gicv5-reference 1.11, 3.3 (SPI_CFGR.TM transitions), 5.4.
#ifndef FIRN_HYPERVISOR_SOFTWARE_GICV5_SPI_LINES_H_
#define FIRN_HYPERVISOR_SOFTWARE_GICV5_SPI_LINES_H_

#include <cstdint>
#include <vector>

#include "hypervisor/software/gicv5/irs.h"

namespace firn::software::gicv5 {

// Every `spi` is below the IRS's count.
class SpiLines {
 public:
  explicit SpiLines(Irs* irs) : irs_(irs), spis_(irs->spi_count()) {}

  // An edge SPI becomes pending with each call that raises; a level SPI follows its line.
  void Drive(uint32_t spi, bool level);

  // SPI_CFGR.TM: true is level.
  bool is_level(uint32_t spi) const { return spis_[spi].is_level; }
  void SetTrigger(uint32_t spi, bool is_level);
  // The mode alone, with pending state and HM as they are: for a restored entry.
  void RestoreTrigger(uint32_t spi, bool is_level) { spis_[spi].is_level = is_level; }

  // `entry`, with Pending as the line has it where the SPI is level-triggered.
  Iste Reevaluate(uint32_t spi, Iste entry) const;

 private:
  struct Input {
    bool is_level = false;  // KVM's default is edge
    bool line = false;
  };

  Irs* irs_;
  std::vector<Input> spis_;
};

}  // namespace firn::software::gicv5

#endif  // FIRN_HYPERVISOR_SOFTWARE_GICV5_SPI_LINES_H_

// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "arch-aarch64/mock_vm.h"

namespace firn {

MockDevice::MockDevice() = default;
MockDevice::~MockDevice() = default;
MockVcpu::MockVcpu() = default;
MockVcpu::~MockVcpu() = default;
MockVm::MockVm() = default;
MockVm::~MockVm() = default;

}  // namespace firn

template class testing::NiceMock<firn::MockDevice>;
template class testing::NiceMock<firn::MockVcpu>;
template class testing::NiceMock<firn::MockVm>;
template class testing::StrictMock<firn::MockDevice>;
template class testing::StrictMock<firn::MockVcpu>;
template class testing::StrictMock<firn::MockVm>;

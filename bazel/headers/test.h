// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// common.h, and what most tests include besides.
#ifndef FIRN_BAZEL_HEADERS_TEST_H_
#define FIRN_BAZEL_HEADERS_TEST_H_

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "bazel/headers/common.h"

#endif  // FIRN_BAZEL_HEADERS_TEST_H_

// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// What most files of firn include, compiled once (bazel/README.md).
#ifndef FIRN_BAZEL_HEADERS_COMMON_H_
#define FIRN_BAZEL_HEADERS_COMMON_H_

// What protoc's headers include, of protobuf-lite.
#include <google/protobuf/extension_set.h>
#include <google/protobuf/generated_message_util.h>
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/message_lite.h>
#include <google/protobuf/repeated_field.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/log/check.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/types/span.h"

#endif  // FIRN_BAZEL_HEADERS_COMMON_H_

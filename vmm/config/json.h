// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
// JSON text to values, strictly (RFC 8259): a repeated key, deep nesting and anything behind
// the value are errors. And a reader of objects that knows which keys there may be.
#ifndef FIRN_VMM_CONFIG_JSON_H_
#define FIRN_VMM_CONFIG_JSON_H_

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace firn {

// InvalidArgument tells line and column, or the path of a repeated key.
absl::StatusOr<nlohmann::json> ParseJson(std::string_view text);

// Reads one object key by key, then Finish complains of every key that nobody asked for.
// The first error stays; getters give nothing from then on. A null counts as a missing key.
class JsonObject {
 public:
  // `path` is where the object stands ("machine-config", "drives[0]"; "" for the whole).
  // Errors go to `status`, which outlives this. `value` too.
  JsonObject(const nlohmann::json& value, std::string path, absl::Status& status);

  std::optional<std::string> String(std::string_view key);
  std::optional<bool> Bool(std::string_view key);
  // A whole number from 0 on.
  std::optional<uint64_t> Unsigned(std::string_view key);
  // An object or an array; null where missing.
  const nlohmann::json* Object(std::string_view key);
  const nlohmann::json* Array(std::string_view key);

  // The key must not be there: "`path.key` is not supported: `why`".
  void Refuse(std::string_view key, std::string_view why);
  // An error about the value of a key, in the same form.
  void Fail(std::string_view key, std::string_view why);
  // A required key.
  void Require(std::string_view key);

  void Finish();

  std::string PathOf(std::string_view key) const;

 private:
  const nlohmann::json* Find(std::string_view key);
  void WrongType(std::string_view key, std::string_view expected, const nlohmann::json& value);

  const nlohmann::json* object_;  // null where the value was no object
  const std::string path_;
  absl::Status& status_;
  std::vector<std::string_view> known_;
  std::optional<std::string> missing_;  // the first required key that is not there
};

}  // namespace firn

#endif  // FIRN_VMM_CONFIG_JSON_H_

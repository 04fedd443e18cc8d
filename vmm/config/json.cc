// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause
#include "vmm/config/json.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "vmm/config/nearest.h"

namespace firn {
namespace {

using nlohmann::json;

constexpr size_t kDeepest = 32;

std::string Join(std::string_view path, std::string_view key) {
  return path.empty() ? std::string(key) : absl::StrCat(path, ".", key);
}

// Builds the value from nlohmann's events. A callback that returns false ends parsing.
class Builder : public nlohmann::json_sax<json> {
 public:
  absl::StatusOr<json> Take() && {
    if (!status_.ok()) return status_;
    return std::move(root_);
  }

  bool null() override { return Put(json(nullptr)); }
  bool boolean(bool value) override { return Put(json(value)); }
  bool number_integer(number_integer_t value) override { return Put(json(value)); }
  bool number_unsigned(number_unsigned_t value) override { return Put(json(value)); }
  bool number_float(number_float_t value, const string_t&) override { return Put(json(value)); }
  bool string(string_t& value) override { return Put(json(std::move(value))); }
  bool binary(binary_t&) override { return Fail("binary values are not JSON"); }
  bool start_object(size_t) override { return Open(json::object()); }
  bool end_object() override { return Close(); }
  bool start_array(size_t) override { return Open(json::array()); }
  bool end_array() override { return Close(); }

  bool key(string_t& name) override {
    if (stack_.back()->contains(name)) {
      return Fail(absl::StrCat("the key `", Join(Path(), name), "` is there twice"));
    }
    key_ = std::move(name);
    keys_.back() = key_;
    return true;
  }

  bool parse_error(size_t, const std::string&, const json::exception& error) override {
    // "[json.exception.parse_error.101] parse error at line 1, column 2: …"
    std::string_view what = error.what();
    const size_t bracket = what.find("] ");
    if (bracket != std::string_view::npos) what.remove_prefix(bracket + 2);
    return Fail(absl::StrCat("not JSON: ", what));
  }

 private:
  bool Fail(std::string_view message) {
    status_ = absl::InvalidArgumentError(message);
    return false;
  }

  std::string Path() const {
    std::string path;
    for (size_t i = 0; i + 1 < stack_.size(); ++i) {
      path = stack_[i]->is_array() ? absl::StrCat(path, "[", stack_[i]->size() - 1, "]")
                                   : Join(path, keys_[i]);
    }
    return path;
  }

  // Puts a value where the innermost open container wants it, and returns where it is.
  json* Place(json value) {
    if (stack_.empty()) {
      root_ = std::move(value);
      return &root_;
    }
    json& container = *stack_.back();
    if (container.is_array()) {
      container.push_back(std::move(value));
      return &container.back();
    }
    return &(container[key_] = std::move(value));
  }
  bool Put(json value) {
    Place(std::move(value));
    return true;
  }
  bool Open(json container) {
    if (stack_.size() == kDeepest) {
      return Fail(absl::StrCat("nested more than ", kDeepest, " levels deep"));
    }
    stack_.push_back(Place(std::move(container)));
    keys_.emplace_back();
    return true;
  }
  bool Close() {
    stack_.pop_back();
    keys_.pop_back();
    return true;
  }

  json root_;
  // The open containers; a pointer stays good while its container is open, for only the
  // innermost one grows.
  std::vector<json*> stack_;
  std::vector<std::string> keys_;  // the current key of each open object
  std::string key_;
  absl::Status status_;
};

// The text as one line of bounded length, for an error message.
std::string Excerpt(const json& value) {
  std::string text = value.dump(-1, ' ', /*ensure_ascii=*/true, json::error_handler_t::replace);
  if (text.size() > 40) text = absl::StrCat(text.substr(0, 40), "…");
  return text;
}

}  // namespace

absl::StatusOr<json> ParseJson(std::string_view text) {
  Builder builder;
  json::sax_parse(text.begin(), text.end(), &builder);
  return std::move(builder).Take();
}

JsonObject::JsonObject(const json& value, std::string path, absl::Status& status)
    : object_(value.is_object() ? &value : nullptr), path_(std::move(path)), status_(status) {
  if (object_ == nullptr && status_.ok()) {
    status_ = absl::InvalidArgumentError(
        absl::StrCat(path_.empty() ? "the configuration" : absl::StrCat("`", path_, "`"),
                     " must be an object, got ", Excerpt(value)));
  }
}

std::string JsonObject::PathOf(std::string_view key) const { return Join(path_, key); }

const json* JsonObject::Find(std::string_view key) {
  known_.push_back(key);
  if (object_ == nullptr || !status_.ok()) return nullptr;
  const auto it = object_->find(std::string(key));
  if (it == object_->end() || it->is_null()) return nullptr;
  return &*it;
}

void JsonObject::Fail(std::string_view key, std::string_view why) {
  if (!status_.ok()) return;
  status_ = absl::InvalidArgumentError(absl::StrCat("`", PathOf(key), "` ", why));
}

void JsonObject::WrongType(std::string_view key, std::string_view expected, const json& value) {
  Fail(key, absl::StrCat("must be ", expected, ", got ", Excerpt(value)));
}

std::optional<std::string> JsonObject::String(std::string_view key) {
  const json* value = Find(key);
  if (value == nullptr) return std::nullopt;
  const std::string* text = value->get_ptr<const std::string*>();
  if (text == nullptr) {
    WrongType(key, "a string", *value);
    return std::nullopt;
  }
  if (text->find('\0') != std::string::npos) {
    Fail(key, "holds a NUL character");
    return std::nullopt;
  }
  return *text;
}

std::optional<bool> JsonObject::Bool(std::string_view key) {
  const json* value = Find(key);
  if (value == nullptr) return std::nullopt;
  const bool* flag = value->get_ptr<const bool*>();
  if (flag == nullptr) {
    WrongType(key, "true or false", *value);
    return std::nullopt;
  }
  return *flag;
}

std::optional<uint64_t> JsonObject::Unsigned(std::string_view key) {
  const json* value = Find(key);
  if (value == nullptr) return std::nullopt;
  if (!value->is_number_unsigned()) {
    WrongType(key, "a whole number from 0 on", *value);
    return std::nullopt;
  }
  return *value->get_ptr<const json::number_unsigned_t*>();
}

const json* JsonObject::Object(std::string_view key) {
  const json* value = Find(key);
  if (value != nullptr && !value->is_object()) {
    WrongType(key, "an object", *value);
    return nullptr;
  }
  return value;
}

const json* JsonObject::Array(std::string_view key) {
  const json* value = Find(key);
  if (value != nullptr && !value->is_array()) {
    WrongType(key, "an array", *value);
    return nullptr;
  }
  return value;
}

void JsonObject::Refuse(std::string_view key, std::string_view why) {
  if (Find(key) != nullptr) Fail(key, absl::StrCat("is not supported: ", why));
}

void JsonObject::Require(std::string_view key) {
  if (object_ == nullptr || !status_.ok()) return;
  const auto it = object_->find(std::string(key));
  if ((it == object_->end() || it->is_null()) && !missing_) missing_ = std::string(key);
}

void JsonObject::Finish() {
  if (object_ == nullptr || !status_.ok()) return;
  for (const auto& [key, value] : object_->items()) {
    if (std::find(known_.begin(), known_.end(), key) != known_.end()) continue;
    std::string shown = key.substr(0, 64);
    for (char& c : shown) {
      if (!absl::ascii_isprint(static_cast<unsigned char>(c))) c = '?';
    }
    Fail(shown, absl::StrCat("is no key that firn knows", DidYouMean(key, known_)));
    return;
  }
  // Last: a key that is missing may just have been misspelt.
  if (missing_) Fail(*missing_, "is missing");
}

}  // namespace firn

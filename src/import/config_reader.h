// The fields of a model's config.json, read strictly: a number that should be a
// count is a whole number from 1 to 10⁹, or the file is refused. What went wrong
// first is kept and asked for at the end, so that reading a model is a list of
// its fields. A field that is null counts as left out.
#pragma once
#include <initializer_list>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.h"
#include "model/transformer.h"

namespace everywatt {

class ConfigReader {
 public:
  // Errc::malformed: no JSON object.
  static Result<ConfigReader> parse(std::string_view text);

  [[nodiscard]] bool has(std::string_view name) const { return find(name) != nullptr; }
  // Some field's name holds this text: "mamba" in "mamba_d_state".
  [[nodiscard]] bool has_like(std::string_view part) const;

  // The first of these fields that is there; 1 where none is, or it is no count.
  Count need(std::initializer_list<std::string_view> names);
  Count count_or(std::string_view name, Count otherwise);
  // 0 is allowed too.
  Count number_or(std::string_view name, Count otherwise);
  bool flag_or(std::string_view name, bool otherwise);
  std::string text_or(std::string_view name, std::string_view otherwise);
  // The texts and the whole numbers of a list, as texts; empty where there is no list.
  [[nodiscard]] std::vector<std::string> list(std::string_view name) const;
  // Members of an object or a list; none where the field is neither.
  [[nodiscard]] std::optional<std::size_t> size(std::string_view name) const;

  void refuse(std::string why);
  [[nodiscard]] const std::optional<std::string>& problem() const { return problem_; }

 private:
  struct Collection {
    std::size_t size = 0;
    std::vector<std::string> texts = {};
  };
  using Value = std::variant<bool, double, std::string, Collection>;

  [[nodiscard]] const Value* find(std::string_view name) const;
  Count count(std::string_view name, const Value& value, Count least);

  std::map<std::string, Value, std::less<>> fields_;
  std::optional<std::string> problem_;
};

}  // namespace everywatt

// Reading a scenario's TOML: a table whose keys are taken one by one. The first
// thing that is wrong is kept, with its place; reading goes on with the default.
// What was not taken when the table is closed is a key that nobody knows.
#pragma once
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

// toml++ 3.3 breaks assertions of its own on some texts that are no TOML ("[=").
namespace everywatt::lab {
struct BrokenTomlAssertion {};
[[noreturn]] inline void break_toml_assertion() { throw BrokenTomlAssertion{}; }
}  // namespace everywatt::lab
#define TOML_ASSERT(condition) ((condition) ? void() : everywatt::lab::break_toml_assertion())
#define TOML_EXCEPTIONS 0   // errors come back as values …
#define TOML_HEADER_ONLY 1  // … which Debian's compiled library was not built for
#include <toml++/toml.h>

#include "base/result.h"
#include "tests/lab/sensor.h"

namespace everywatt::lab {

struct Problem {
  std::string file;
  std::optional<Error> first = {};

  void say(const toml::node& node, const std::string& what);
};

class Table {
 public:
  Table(const toml::table& table, Problem& problem) : table_{&table}, problem_{&problem} {}

  bool has(std::string_view key) const { return table_->contains(key); }
  bool holds_text(std::string_view key) const { return table_->get(key) && table_->get(key)->is_string(); }
  const toml::node* take(std::string_view key);  // null: not there
  // False: `key = false`, something that is said not to be there.
  bool is_off(std::string_view key);

  double number(std::string_view key, double otherwise);
  double fraction(std::string_view key, double otherwise);
  Power watts(std::string_view key, Power otherwise);
  std::uint64_t whole(std::string_view key, std::uint64_t otherwise);
  bool flag(std::string_view key, bool otherwise);
  Nanoseconds seconds(std::string_view key, Nanoseconds otherwise);  // inf: for ever
  Nanoseconds milliseconds(std::string_view key, Nanoseconds otherwise);
  std::string text(std::string_view key, const std::string& otherwise);
  std::vector<std::string> texts(std::string_view key);
  std::vector<double> numbers(std::string_view key);
  std::vector<Interval> intervals(std::string_view key);  // [[from s, to s], …]
  Shape shape(std::string_view key, const Shape& otherwise = {});
  std::optional<Table> table(std::string_view key);
  std::vector<Table> tables(std::string_view key);

  // `what` is wrong with the value of `key`, else with the table.
  void refuse(std::string_view key, const std::string& what);
  std::vector<std::string> keys() const;
  void close();

 private:
  std::optional<double> take_number(std::string_view key);
  Nanoseconds time(std::string_view key, Nanoseconds otherwise, double unit);

  const toml::table* table_;
  Problem* problem_;
  std::set<std::string, std::less<>> taken_ = {};
};

Shape parse_shape(const toml::node& node, Problem& problem);
Result<toml::table> parse_table(std::string_view text, const std::string& file);

}  // namespace everywatt::lab

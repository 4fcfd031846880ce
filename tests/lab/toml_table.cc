#include "tests/lab/toml_table.h"

#include <algorithm>
#include <cmath>

namespace everywatt::lab {
namespace {

constexpr double kMostSeconds = 1e9;  // as nanoseconds it fits

std::optional<toml::parse_result> try_parse(std::string_view text, std::string_view file) {
  try {
    return toml::parse(text, file);
  } catch (const BrokenTomlAssertion&) {
    return std::nullopt;
  }
}

// [[at, value], …], ascending.
std::vector<Shape::Point> points_of(const toml::node& node, Problem& problem) {
  std::vector<Shape::Point> points;
  const toml::array* pairs = node.as_array();
  if (!pairs || pairs->empty()) {
    problem.say(node, "expected points: [[second, value], …]");
    return {{0, 0}};
  }
  for (const toml::node& pair : *pairs) {
    const toml::array* two = pair.as_array();
    const auto at = two && two->size() == 2 ? two->get(0)->value<double>() : std::nullopt;
    const auto value = two && two->size() == 2 ? two->get(1)->value<double>() : std::nullopt;
    if (!at || !value || std::abs(*at) > kMostSeconds || !std::isfinite(*value)) {
      problem.say(pair, "expected a point: [second, value]");
      return {{0, 0}};
    }
    const auto when = static_cast<Nanoseconds>(std::llround(*at * 1e9));
    if (!points.empty() && when <= points.back().at) {
      problem.say(pair, "a point that is not after the one before it: put them in order of time");
      return {{0, 0}};
    }
    points.push_back({when, *value});
  }
  return points;
}

Shape shape_of_points(Table& table, Problem& problem) {
  const bool is_steps = table.has("steps");
  const auto points = points_of(*table.take(is_steps ? "steps" : "lines"), problem);
  const Nanoseconds repeat = table.seconds("repeat_s", 0);
  if (repeat > 0 && (points.front().at < 0 || points.back().at >= repeat)) {
    table.refuse("repeat_s", "every point must lie between 0 and repeat_s");
    return {};
  }
  return is_steps ? Shape::steps(points, repeat) : Shape::lines(points, repeat);
}

Shape parse_shape_table(const toml::table& node, Problem& problem) {
  Table table{node, problem};
  Shape shape;
  if (table.has("steps") || table.has("lines")) {
    shape = shape_of_points(table, problem);
  } else if (table.has("high")) {
    shape = Shape::square({.low = table.number("low", 0),
                           .high = table.number("high", 0),
                           .period = std::max<Nanoseconds>(1000, table.seconds("period_s", kSecond)),
                           .duty = table.fraction("duty", 0.5),
                           .phase = table.seconds("phase_s", 0)});
  } else if (table.has("amplitude")) {
    shape = Shape::sine({.mean = table.number("mean", 0),
                         .amplitude = table.number("amplitude", 0),
                         .period = std::max<Nanoseconds>(1000, table.seconds("period_s", kSecond)),
                         .phase = table.seconds("phase_s", 0)});
  } else if (table.has("bursts")) {
    shape = Shape::bursts({.seed = table.whole("seed", 1),
                           .peak = table.number("bursts", 0),
                           .slot = std::max(kMillisecond, table.milliseconds("slot_ms", 50 * kMillisecond)),
                           .cycle = std::max(kSecond, table.seconds("cycle_s", 16 * kSecond))});
  } else {
    problem.say(node, "no shape: it needs steps, lines, high, amplitude or bursts (docs/formats/lab.md)");
    return {};
  }
  table.close();
  return shape;
}

}  // namespace

void Problem::say(const toml::node& node, const std::string& what) {
  if (first) return;
  first = Error{Errc::misuse, file + ":" + std::to_string(node.source().begin.line) + ": " + what};
}

const toml::node* Table::take(std::string_view key) {
  taken_.emplace(key);
  return table_->get(key);
}

void Table::refuse(std::string_view key, const std::string& what) {
  const toml::node* node = table_->get(key);
  problem_->say(node ? *node : *table_, (key.empty() ? "" : std::string{key} + ": ") + what);
}

std::optional<double> Table::take_number(std::string_view key) {
  const toml::node* node = take(key);
  if (!node) return std::nullopt;
  const auto number = node->is_number() ? node->value<double>() : std::nullopt;
  if (!number || std::isnan(*number)) refuse(key, "expected a number");
  return number;
}

bool Table::is_off(std::string_view key) {
  const toml::node* node = take(key);
  return node && node->value_exact<bool>() == false;
}

double Table::number(std::string_view key, double otherwise) {
  const auto number = take_number(key);
  if (number && !std::isfinite(*number)) refuse(key, "expected a finite number");
  return number.value_or(otherwise);
}

double Table::fraction(std::string_view key, double otherwise) {
  const double value = number(key, otherwise);
  if (!(value >= 0 && value <= 1)) refuse(key, "expected a fraction from 0 to 1");
  return std::clamp(value, 0.0, 1.0);
}

Power Table::watts(std::string_view key, Power otherwise) { return number(key, otherwise / watt) * watt; }

std::uint64_t Table::whole(std::string_view key, std::uint64_t otherwise) {
  const toml::node* node = take(key);
  if (!node) return otherwise;
  const auto number = node->value_exact<std::int64_t>();
  if (!number || *number < 0) {
    refuse(key, "expected a whole number from 0");
    return otherwise;
  }
  return static_cast<std::uint64_t>(*number);
}

bool Table::flag(std::string_view key, bool otherwise) {
  const toml::node* node = take(key);
  if (!node) return otherwise;
  if (!node->is_boolean()) refuse(key, "expected true or false");
  return node->value<bool>().value_or(otherwise);
}

Nanoseconds Table::time(std::string_view key, Nanoseconds otherwise, double unit) {
  const auto number = take_number(key);
  if (!number) return otherwise;
  if (*number == HUGE_VAL) return INT64_MAX;
  if (std::abs(*number) * unit > kMostSeconds) {
    refuse(key, "too long: write inf for what never ends");
    return otherwise;
  }
  return static_cast<Nanoseconds>(std::llround(*number * unit * 1e9));
}

Nanoseconds Table::seconds(std::string_view key, Nanoseconds otherwise) { return time(key, otherwise, 1); }
Nanoseconds Table::milliseconds(std::string_view key, Nanoseconds otherwise) { return time(key, otherwise, 1e-3); }

std::string Table::text(std::string_view key, const std::string& otherwise) {
  const toml::node* node = take(key);
  if (!node) return otherwise;
  if (!node->is_string()) refuse(key, "expected a text in quotes");
  return node->value<std::string>().value_or(otherwise);
}

std::vector<std::string> Table::texts(std::string_view key) {
  std::vector<std::string> texts;
  const toml::node* node = take(key);
  if (!node) return texts;
  const toml::array* list = node->as_array();
  if (!list) {
    refuse(key, "expected a list of texts");
    return texts;
  }
  for (const toml::node& item : *list) {
    if (!item.is_string()) refuse(key, "expected a list of texts");
    texts.push_back(item.value<std::string>().value_or(""));
  }
  return texts;
}

std::vector<double> Table::numbers(std::string_view key) {
  std::vector<double> numbers;
  const toml::node* node = take(key);
  if (!node) return numbers;
  const toml::array* list = node->as_array();
  if (!list) {
    refuse(key, "expected a list of numbers");
    return numbers;
  }
  for (const toml::node& item : *list) {
    const auto number = item.is_number() ? item.value<double>() : std::nullopt;
    if (!number || !(std::abs(*number) < kMostSeconds)) refuse(key, "expected a list of numbers");
    numbers.push_back(number.value_or(0));
  }
  return numbers;
}

std::vector<Interval> Table::intervals(std::string_view key) {
  std::vector<Interval> intervals;
  const toml::node* node = take(key);
  const toml::array* list = node ? node->as_array() : nullptr;
  if (node && !list) refuse(key, "expected spans: [[from second, to second], …]");
  if (!list) return intervals;
  for (const toml::node& item : *list) {
    const toml::array* pair = item.as_array();
    const auto from = pair && pair->size() == 2 ? pair->get(0)->value<double>() : std::nullopt;
    const auto to = pair && pair->size() == 2 ? pair->get(1)->value<double>() : std::nullopt;
    if (!from || !to || !(*from < *to) || !(std::abs(*from) < kMostSeconds) || !(*to < kMostSeconds)) {
      refuse(key, "expected spans: [[from second, to second], …]");
      return intervals;
    }
    intervals.push_back({std::llround(*from * 1e9), std::llround(*to * 1e9)});
  }
  return intervals;
}

Shape Table::shape(std::string_view key, const Shape& otherwise) {
  const toml::node* node = take(key);
  return node ? parse_shape(*node, *problem_) : otherwise;
}

std::optional<Table> Table::table(std::string_view key) {
  const toml::node* node = take(key);
  if (!node) return std::nullopt;
  const toml::table* table = node->as_table();
  if (!table) {
    refuse(key, "expected a table: { … }");
    return std::nullopt;
  }
  return Table{*table, *problem_};
}

std::vector<Table> Table::tables(std::string_view key) {
  std::vector<Table> tables;
  const toml::node* node = take(key);
  if (!node) return tables;
  const toml::array* list = node->as_array();
  if (!list || !std::ranges::all_of(*list, [](const toml::node& item) { return item.is_table(); })) {
    refuse(key, "expected tables: [[" + std::string{key} + "]]");
    return tables;
  }
  for (const toml::node& item : *list) tables.emplace_back(*item.as_table(), *problem_);
  return tables;
}

std::vector<std::string> Table::keys() const {
  std::vector<std::string> keys;
  for (const auto& [key, node] : *table_) keys.emplace_back(key.str());
  return keys;
}

void Table::close() {
  for (const std::string& key : keys()) {
    if (!taken_.contains(key)) refuse(key, "no such key here (docs/formats/lab.md lists them)");
  }
}

Shape parse_shape(const toml::node& node, Problem& problem) {
  if (node.is_number()) {
    const double value = node.value<double>().value_or(0);
    if (!std::isfinite(value)) problem.say(node, "expected a finite number");
    return Shape::constant(value);
  }
  if (const toml::array* parts = node.as_array()) {
    Shape sum;
    for (const toml::node& part : *parts) sum += parse_shape(part, problem);
    return sum;
  }
  if (const toml::table* table = node.as_table()) return parse_shape_table(*table, problem);
  problem.say(node, "expected a shape: a number, a table or a list of shapes (docs/formats/lab.md)");
  return {};
}

Result<toml::table> parse_table(std::string_view text, const std::string& file) {
  auto parsed = try_parse(text, file);
  if (!parsed) {
    std::size_t line = 1;  // the first line with which the parser gives up
    for (auto end = text.find('\n'); end != text.npos && try_parse(text.substr(0, end), ""); ++line)
      end = text.find('\n', end + 1);
    return fail(Errc::misuse, file + ":" + std::to_string(line) + ": no TOML");
  }
  if (!*parsed) {
    const toml::parse_error& error = parsed->error();
    return fail(Errc::misuse,
                file + ":" + std::to_string(error.source().begin.line) + ": " + std::string{error.description()});
  }
  return std::move(*parsed).table();
}

}  // namespace everywatt::lab

#include "import/power_csv_layout.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <map>
#include <set>

#include "base/text.h"

namespace everywatt {
namespace {

using Quantity = PowerUnit::Quantity;

constexpr std::string_view kSeparators = ",;\t";

std::string quoted(char separator) { return separator == '\t' ? "tab" : fmt::format("'{}'", separator); }

bool is_figure(std::string_view text) { return parse_double(text) || parse_iso_time(text); }

// Errors begin with the file; `text` says the rest.
class LayoutFinder {
 public:
  LayoutFinder(std::string_view file, const PowerCsvOptions& options) : file_{file}, options_{options} {}

  Result<PowerCsvLayout> find(std::string_view text);

 private:
  Result<std::vector<CsvRow>> rows_of(std::string_view text) const;
  void take_header(std::vector<CsvRow> rows);
  Result<void> find_time();
  Result<void> find_device();
  Result<void> find_meters();
  Result<void> check_meters() const;
  Result<PowerUnit> unit_of(std::size_t column) const;
  Result<void> find_decimal();
  Result<std::size_t> column_named(const std::string& wanted, std::string_view option) const;

  std::string list(const std::vector<std::size_t>& columns) const;
  std::string list_all() const;
  std::vector<std::size_t> columns_where(bool (*is_it)(std::string_view)) const;
  std::string_view value(const CsvRow& row, std::size_t column) const {
    return column < row.fields.size() ? std::string_view{row.fields[column]} : std::string_view{};
  }
  std::string_view first_value(std::size_t column) const;
  bool say_the_same(std::size_t a, std::size_t b) const;
  std::size_t distinct(std::size_t column) const;
  std::unexpected<Error> malformed(const std::string& text) const { return fail(Errc::malformed, file_ + ": " + text); }

  std::string file_;
  const PowerCsvOptions& options_;
  PowerCsvLayout layout_;
  bool has_header_ = true;
};

Result<std::vector<CsvRow>> LayoutFinder::rows_of(std::string_view text) const {
  const auto parsed = [&](char separator) -> Result<std::vector<CsvRow>> {
    auto rows = parse_csv(text, separator);
    if (!rows) return fail(Errc::malformed, file_ + ":" + rows.error().what);
    return rows;
  };
  if (options_.separator) return parsed(*options_.separator);
  std::vector<std::vector<CsvRow>> fitting;
  std::string fits;
  for (const char separator : kSeparators) {
    TRY(std::vector<CsvRow> rows, parsed(separator));
    if (rows.size() < 2 || rows[0].fields.size() < 2 || rows[0].fields.size() != rows[1].fields.size()) continue;
    fits += (fits.empty() ? "" : " and ") + quoted(separator);
    fitting.push_back(std::move(rows));
  }
  if (fitting.empty())
    return malformed(
        "no table: a header and rows of at least two columns, separated by ',', ';' or tab, are expected "
        "(--separator names another)");
  if (fitting.size() > 1) return malformed(fits + " both separate columns: choose with --separator");
  return std::move(fitting.front());
}

// A header is a row in which some column has no figure, where the next row has one.
void LayoutFinder::take_header(std::vector<CsvRow> rows) {
  const CsvRow& first = rows.front();
  has_header_ = false;
  for (std::size_t i = 0; i < first.fields.size() && rows.size() > 1; ++i)
    if (!is_figure(first.fields[i]) && !unit_of_value(first.fields[i]) &&
        (is_figure(value(rows[1], i)) || unit_of_value(value(rows[1], i))))
      has_header_ = true;
  for (std::size_t i = 0; i < first.fields.size(); ++i)
    layout_.headers.push_back(has_header_ ? first.fields[i] : std::to_string(i + 1));
  if (has_header_) rows.erase(rows.begin());
  layout_.rows = std::move(rows);
}

std::string LayoutFinder::list(const std::vector<std::size_t>& columns) const {
  std::string text;
  for (const std::size_t column : columns) text += (text.empty() ? "'" : ", '") + layout_.headers[column] + "'";
  return text;
}

std::string LayoutFinder::list_all() const {
  std::string text;
  for (const std::string& header : layout_.headers) text += (text.empty() ? "'" : ", '") + header + "'";
  return text;
}

std::vector<std::size_t> LayoutFinder::columns_where(bool (*is_it)(std::string_view)) const {
  std::vector<std::size_t> columns;
  for (std::size_t i = 0; i < layout_.headers.size(); ++i)
    if (is_it(layout_.headers[i])) columns.push_back(i);
  return columns;
}

std::string_view LayoutFinder::first_value(std::size_t column) const {
  for (const CsvRow& row : layout_.rows)
    if (!value(row, column).empty()) return value(row, column);
  return {};
}

Result<std::size_t> LayoutFinder::column_named(const std::string& wanted, std::string_view option) const {
  const auto& headers = layout_.headers;
  std::vector<std::size_t> found;
  for (std::size_t i = 0; i < headers.size(); ++i)
    if (headers[i] == wanted) found.push_back(i);
  for (std::size_t i = 0; found.empty() && i < headers.size(); ++i)
    if (lower(headers[i]) == lower(wanted)) found.push_back(i);
  if (found.size() == 1) return found.front();
  if (const auto number = parse_u64(wanted); number && *number >= 1 && *number <= headers.size()) return *number - 1;
  if (found.size() > 1)
    return fail(Errc::misuse, fmt::format("{}: {} '{}' is the header of several columns: name it by its number", file_,
                                          option, wanted));
  return fail(Errc::misuse, fmt::format("{}: {} '{}' is no column; there are: {}", file_, option, wanted, list_all()));
}

Result<void> LayoutFinder::find_time() {
  if (!options_.time_column.empty()) {
    TRY(layout_.time, column_named(options_.time_column, "--time-column"));
    return {};
  }
  if (!has_header_) {
    layout_.time = 0;
    if (layout_.headers.size() == 2) return {};
    return malformed("no header row: name the columns by number with --time-column and --power-column");
  }
  std::vector<std::size_t> columns = columns_where(is_time_header);
  if (columns.empty())
    for (std::size_t i = 0; i < layout_.headers.size(); ++i)
      if (parse_iso_time(first_value(i))) columns.push_back(i);
  if (columns.empty())
    return malformed(fmt::format("no column is named as a time: choose one of {} with --time-column", list_all()));
  if (columns.size() > 1)
    return malformed(fmt::format("{} may each be the time: choose one with --time-column", list(columns)));
  layout_.time = columns.front();
  return {};
}

// Do two columns part the rows in the same way?
bool LayoutFinder::say_the_same(std::size_t a, std::size_t b) const {
  std::map<std::string_view, std::string_view> to_b;
  std::map<std::string_view, std::string_view> to_a;
  return std::ranges::all_of(layout_.rows, [&](const CsvRow& row) {
    const auto x = value(row, a);
    const auto y = value(row, b);
    return to_b.try_emplace(x, y).first->second == y && to_a.try_emplace(y, x).first->second == x;
  });
}

std::size_t LayoutFinder::distinct(std::size_t column) const {
  std::set<std::string_view> values;
  for (const CsvRow& row : layout_.rows) values.insert(value(row, column));
  return values.size();
}

Result<void> LayoutFinder::find_device() {
  if (options_.device_column == "none") return {};
  if (!options_.device_column.empty()) {
    TRY(layout_.device, column_named(options_.device_column, "--device-column"));
    return {};
  }
  if (!has_header_) return {};
  std::vector<std::size_t> columns = columns_where(is_device_header);
  std::erase(columns, layout_.time);
  const bool has_several = std::ranges::any_of(columns, [&](std::size_t column) { return distinct(column) > 1; });
  if (has_several) std::erase_if(columns, [&](std::size_t column) { return distinct(column) == 1; });
  if (columns.empty()) return {};
  for (const std::size_t column : columns)
    if (!say_the_same(columns.front(), column))
      return malformed(fmt::format("{} may each name the device: choose one with --device-column", list(columns)));
  if (layout_.rows.size() > 2 && distinct(columns.front()) == layout_.rows.size())
    return malformed(
        fmt::format("column {} has another value in each row and cannot name a device: --device-column NAME, "
                    "or none",
                    list({columns.front()})));
  const auto is_lasting = [&](std::size_t column) { return lower(layout_.headers[column]).contains("uuid"); };
  const auto lasting = std::ranges::find_if(columns, is_lasting);  // an index changes with the order of the slots
  layout_.device = lasting == columns.end() ? columns.front() : *lasting;
  return {};
}

Result<PowerUnit> LayoutFinder::unit_of(std::size_t column) const {
  const auto unit = has_header_ ? unit_of_header(layout_.headers[column]) : std::nullopt;
  if (!options_.unit.empty()) {
    const auto wanted = parse_power_unit(options_.unit);
    if (!wanted)
      return fail(Errc::misuse, fmt::format("--unit '{}' is no unit: W, kW, mW, Wh, kWh, J … are", options_.unit));
    if (!unit || unit->quantity == wanted->quantity) return *wanted;
  }
  if (unit) return *unit;
  if (const auto own = unit_of_value(first_value(column))) return *own;
  return malformed(fmt::format("column {} names no unit: say it with --unit (W, kW, mW, kWh, J …)", list({column})));
}

Result<void> LayoutFinder::find_meters() {
  std::vector<std::size_t> columns;
  for (const std::string& wanted : options_.power_columns) {
    TRY(const std::size_t column, column_named(wanted, "--power-column"));
    columns.push_back(column);
  }
  if (columns.empty() && !has_header_ && layout_.headers.size() == 2) columns = {1 - layout_.time};
  if (columns.empty()) {
    columns = columns_where(is_draw_header);
    std::erase(columns, layout_.time);
    if (layout_.device) std::erase(columns, *layout_.device);
  }
  if (columns.empty())
    return malformed(
        fmt::format("no column names a power or an energy: choose one of {} with --power-column, and its "
                    "unit with --unit",
                    list_all()));
  for (const std::size_t column : columns) {
    TRY(const PowerUnit unit, unit_of(column));
    const std::string& header = layout_.headers[column];
    layout_.meters.push_back({column, header, has_header_ ? thing_of_header(header) : "", unit});
  }
  return check_meters();
}

// Each thing has one meter of a kind, and a sum does not stand beside its parts.
Result<void> LayoutFinder::check_meters() const {
  std::vector<std::size_t> sums;
  for (const MeterColumn& meter : layout_.meters) {
    static constexpr std::array<std::string_view, 5> kWholes = {"", "node", "system", "wall", "server"};
    if (std::ranges::find(kWholes, lower(meter.thing)) != kWholes.end()) sums.push_back(meter.index);
    for (const MeterColumn& other : layout_.meters) {
      if (&other == &meter) break;
      if (other.thing == meter.thing && other.unit.quantity == meter.unit.quantity)
        return malformed(fmt::format("{} may each be the meter of one device: choose with --power-column",
                                     list({other.index, meter.index})));
    }
  }
  for (const MeterColumn& meter : layout_.meters)
    if (!sums.empty() && std::ranges::find(sums, meter.index) == sums.end())
      return malformed(fmt::format("{} may hold the sum of {}: choose what shall count with --power-column", list(sums),
                                   list({meter.index})));
  return {};
}

// With ';' or tab between columns, a comma may stand for the decimal point or part thousands.
Result<void> LayoutFinder::find_decimal() {
  if (options_.decimal) {
    layout_.decimal = *options_.decimal;
    return {};
  }
  std::string vague;
  for (const CsvRow& row : layout_.rows) {
    for (const MeterColumn& meter : layout_.meters) {
      const std::string_view text = value(row, meter.index);
      const auto comma = text.find(',');
      if (comma == text.npos) continue;
      const auto digits = text.find_first_not_of("0123456789", comma + 1);
      const std::size_t behind = std::min(digits, text.size()) - comma - 1;
      const bool is_decimal = behind != 3 || text.substr(0, comma) == "0";
      if (is_decimal) {
        layout_.decimal = ',';
        return {};
      }
      vague = text;
    }
  }
  if (!vague.empty())
    return malformed(
        fmt::format("'{}' may have a decimal comma or part thousands: say which mark is the decimal one with "
                    "--decimal",
                    vague));
  return {};
}

Result<PowerCsvLayout> LayoutFinder::find(std::string_view text) {
  TRY(std::vector<CsvRow> rows, rows_of(text));
  if (rows.empty()) return malformed("the table is empty");
  take_header(std::move(rows));
  CHECK(find_time());
  CHECK(find_device());
  CHECK(find_meters());
  CHECK(find_decimal());
  return std::move(layout_);
}

std::size_t end_of_number(std::string_view text) { return std::min(text.find_first_of(" \t"), text.size()); }

}  // namespace

std::optional<PowerUnit> unit_of_value(std::string_view text) {
  const std::size_t end = end_of_number(text);
  if (end == text.size() || text.empty() || text[0] < '0' || text[0] > '9') return std::nullopt;
  return parse_power_unit(trim(text.substr(end)));
}

Result<double> parse_meter_value(std::string_view text, PowerUnit unit, char decimal) {
  if (text.empty()) return fail(Errc::malformed, "the value is missing");
  const std::size_t end = end_of_number(text);
  if (end < text.size()) {
    const auto own = parse_power_unit(trim(text.substr(end)));
    if (!own || own->quantity != unit.quantity) return fail(Errc::malformed, "the value is not a number");
    unit = *own;
  }
  std::string number{text.substr(0, end)};
  if (decimal == ',') std::ranges::replace(number, ',', '.');
  const auto value = parse_double(number);
  if (!value) return fail(Errc::malformed, "the value is not a number");
  if (*value < 0) return fail(Errc::malformed, "the value is negative");
  return *value * unit.factor;
}

Result<PowerCsvLayout> find_layout(std::string_view file, std::string_view text, const PowerCsvOptions& options) {
  return LayoutFinder{file, options}.find(text);
}

}  // namespace everywatt

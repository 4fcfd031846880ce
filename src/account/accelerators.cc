#include "account/accelerators.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <utility>

#include "base/text.h"

extern "C" const char accelerators_csv[];
extern "C" const char accelerators_csv_end[];
extern "C" const char accelerator_names_csv[];
extern "C" const char accelerator_names_csv_end[];

namespace everywatt {
namespace {

constexpr std::array<std::pair<PeakPrecision, std::string_view>, 10> kPrecisions = {
    {{PeakPrecision::fp64, "fp64"},
     {PeakPrecision::fp64_tensor, "fp64-tensor"},
     {PeakPrecision::fp32, "fp32"},
     {PeakPrecision::fp32_tensor, "fp32-tensor"},
     {PeakPrecision::tf32, "tf32"},
     {PeakPrecision::bf16, "bf16"},
     {PeakPrecision::fp16, "fp16"},
     {PeakPrecision::fp8, "fp8"},
     {PeakPrecision::int8, "int8"},
     {PeakPrecision::fp4, "fp4"}}};

// "H100 SXM5,bf16,989,TFLOP/s,ml-engineering torchtitan,high,2026-11"
struct Row {
  std::string_view device;
  std::string_view quantity;
  std::optional<double> value;  // none: "none", the device has no such units
  Provenance provenance;
};

// Calls f with the fields of each row behind the header.
template <class F>
void each_row(const char* begin, const char* end, std::size_t fields, F f) {
  std::string_view table{begin, static_cast<std::size_t>(end - begin)};
  bool is_header = true;
  for (const std::string_view line : split(table, '\n')) {
    const auto columns = split(line, ',');
    if (!std::exchange(is_header, false) && columns.size() == fields) f(columns);
  }
}

std::vector<Row> rows() {
  std::vector<Row> found;
  each_row(accelerators_csv, accelerators_csv_end, 7, [&](const std::vector<std::string_view>& columns) {
    found.push_back({.device = columns[0],
                     .quantity = columns[1],
                     .value = parse_double(columns[2]),
                     .provenance = {.source = columns[4], .confidence = columns[5], .date = columns[6]}});
  });
  return found;
}

std::string lower(std::string_view text) {
  std::string out;
  for (const char c : text) out += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return out;
}

// "NVIDIA A100-SXM4-80GB" and "A100-SXM4-80GB" are one name: drivers of before 2021 leave out the maker,
// older ones have "Tesla" in its place.
std::string plain_name(std::string_view text) {
  std::string name;
  for (const std::string_view word : words(text)) {
    std::string small = lower(word);
    const bool is_maker = small == "nvidia" || small == "tesla" || small == "amd" || small == "instinct" ||
                          small == "geforce" || small.starts_with("intel");
    if (!is_maker) name += (name.empty() ? "" : " ") + small;
  }
  return name;
}

bool fits(std::string_view pattern, const std::string& wanted) {
  const bool is_open = pattern.ends_with('*');
  const std::string plain = plain_name(is_open ? pattern.substr(0, pattern.size() - 1) : pattern);
  return is_open ? wanted.starts_with(plain) : wanted == plain;
}

// The device that a driver's name stands for.
std::optional<std::string_view> device_of(const std::string& wanted) {
  for (const std::string_view device : known_accelerators())
    if (wanted == plain_name(device)) return device;
  std::optional<std::string_view> found;
  each_row(accelerator_names_csv, accelerator_names_csv_end, 2, [&](const std::vector<std::string_view>& columns) {
    if (!found && fits(columns[0], wanted)) found = columns[1];
  });
  return found;
}

std::unexpected<Error> unknown(std::string_view name, const std::string& wanted) {
  std::string near;
  const auto first = wanted.substr(0, wanted.find_first_of(" -"));
  for (const std::string_view device : known_accelerators()) {
    if (first.size() > 1 && lower(device).starts_with(first)) near += (near.empty() ? "" : ", ") + std::string{device};
  }
  return fail(Errc::absent, "no accelerator '" + std::string{name} + "' in the table" +
                                (near.empty() ? std::string{" (data/accelerators.csv)"} : "; it has " + near));
}

void take(Accelerator& into, const Row& row) {
  if (row.device != into.name || !row.value) return;
  constexpr std::string_view kPower = "power_";
  if (row.quantity == "memory") into.memory = *row.value * gigabyte;
  if (row.quantity == "bandwidth") {
    into.bandwidth = (*row.value * gigabyte) / second;
    into.bandwidth_provenance = row.provenance;
  }
  if (row.quantity == "devices_per_package") into.devices_per_package = static_cast<unsigned>(*row.value);
  if (!row.quantity.starts_with(kPower)) return;
  std::string term;
  for (const char c : row.quantity.substr(kPower.size())) term += static_cast<char>(std::toupper(c));
  into.power = {.power = *row.value * watt, .term = term, .provenance = row.provenance};
}

// "fp64-tensor" as the table writes it.
std::string quantity_of(PeakPrecision precision) {
  std::string name{to_string(precision)};
  std::ranges::replace(name, '-', '_');
  return name;
}

}  // namespace

std::string_view to_string(PeakPrecision precision) {
  return std::ranges::find(kPrecisions, precision, &decltype(kPrecisions)::value_type::first)->second;
}

std::optional<PeakPrecision> parse_precision(std::string_view text) {
  const auto found = std::ranges::find(kPrecisions, text, &decltype(kPrecisions)::value_type::second);
  return found == kPrecisions.end() ? std::nullopt : std::optional{found->first};
}

std::string precision_names() {
  std::string names;
  for (const auto& [precision, name] : kPrecisions) names += (names.empty() ? "" : ", ") + std::string{name};
  return names;
}

Result<Accelerator> find_accelerator(std::string_view name) {
  const std::string wanted = plain_name(name);
  const auto device = device_of(wanted);
  if (!device) return unknown(name, wanted);
  Accelerator accelerator{.name = *device};
  for (const Row& row : rows()) take(accelerator, row);
  return accelerator;
}

Result<Peak> find_peak(const Accelerator& accelerator, PeakPrecision precision) {
  const auto table = rows();
  const std::string quantity = quantity_of(precision);
  const auto row =
      std::ranges::find_if(table, [&](const Row& r) { return r.device == accelerator.name && r.quantity == quantity; });
  const std::string what = std::string{accelerator.name} + " in " + std::string{to_string(precision)};
  if (row == table.end()) return fail(Errc::absent, "the peak of " + what + " is not known (data/accelerators.csv)");
  if (!row->value) return fail(Errc::absent, "no peak of " + what + ": the device has no units for it");
  return Peak{.rate = (*row->value * 1e12 * flop) / second, .provenance = row->provenance};
}

std::vector<std::string_view> known_accelerators() {
  std::vector<std::string_view> names;
  for (const Row& row : rows())
    if (names.empty() || names.back() != row.device) names.push_back(row.device);
  return names;
}

}  // namespace everywatt

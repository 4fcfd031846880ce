#include "report/format.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <ctime>

namespace everywatt {
namespace {

std::string significant(double value) {
  const double size = std::abs(value);
  const int decimals = size >= 99.95 || size == 0 ? 0 : size >= 9.995 ? 1 : 2;
  std::array<char, 64> buffer;
  const int n = std::snprintf(buffer.data(), buffer.size(), "%.*f", decimals, value);
  return {buffer.data(), static_cast<std::size_t>(n)};
}

struct Step {
  double unit;
  const char* name;
};

// The largest unit of which the value is at least one; steps descend.
template <std::size_t N>
std::string scaled(double value, const std::array<Step, N>& steps) {
  for (const Step& step : steps) {
    if (std::abs(value) >= step.unit * 0.9995) return significant(value / step.unit) + " " + step.name;
  }
  return significant(value / steps.back().unit) + " " + steps.back().name;
}

// "1.52e23", "3.3e12": three significant digits, without zeros at their end.
std::string scientific(double value) {
  std::array<char, 32> buffer;
  const int n = std::snprintf(buffer.data(), buffer.size(), "%.2e", value);
  std::string text{buffer.data(), static_cast<std::size_t>(n)};
  const auto exponent = text.find('e');
  if (exponent == text.npos) return text;
  std::string digits = text.substr(0, text.find_last_not_of('0', exponent - 1) + 1);
  if (digits.ends_with('.')) digits.pop_back();
  return digits + "e" + std::to_string(std::stoi(text.substr(exponent + 1)));
}

std::string formatted_time(const tm& parts, const char* format) {
  std::array<char, 64> buffer;
  return {buffer.data(), std::strftime(buffer.data(), buffer.size(), format, &parts)};
}

}  // namespace

std::string local_time(Nanoseconds wall) {
  const time_t second = static_cast<time_t>(wall / kSecond);
  tm parts{};
  localtime_r(&second, &parts);
  return formatted_time(parts, "%Y-%m-%d %H:%M");
}

std::string show_energy(MicroJoules energy) {
  constexpr std::array<Step, 6> kSteps = {
      {{1e15, "GJ"}, {1e12, "MJ"}, {1e9, "kJ"}, {1e6, "J"}, {1e3, "mJ"}, {1, "µJ"}}};
  if (energy == 0) return "0 J";
  return scaled(static_cast<double>(energy), kSteps);
}

std::string show_kilowatt_hours(MicroJoules energy) {
  constexpr std::array<Step, 5> kSteps = {{{1e6, "MWh"}, {1e3, "kWh"}, {1, "Wh"}, {1e-3, "mWh"}, {1e-6, "µWh"}}};
  return scaled(static_cast<double>(energy) / 3.6e9, kSteps);
}

std::string show_watts(double watts) {
  constexpr std::array<Step, 4> kSteps = {{{1e6, "MW"}, {1e3, "kW"}, {1, "W"}, {1e-3, "mW"}}};
  return scaled(watts, kSteps);
}

std::string show_duration(Nanoseconds time) {
  const double seconds = static_cast<double>(time) / 1e9;
  if (seconds < 59.95) {
    constexpr std::array<Step, 3> kSteps = {{{1, "s"}, {1e-3, "ms"}, {1e-6, "µs"}}};
    return scaled(seconds, kSteps);
  }
  const auto whole = static_cast<long>(std::llround(seconds));
  std::array<char, 64> buffer;
  if (whole < 3600) {
    std::snprintf(buffer.data(), buffer.size(), "%ld min %02ld s", whole / 60, whole % 60);
  } else {
    std::snprintf(buffer.data(), buffer.size(), "%ld h %02ld min", whole / 3600, whole / 60 % 60);
  }
  return buffer.data();
}

std::string show_bytes(std::uint64_t bytes) {
  constexpr std::array<Step, 5> kSteps = {{{1e12, "TB"}, {1e9, "GB"}, {1e6, "MB"}, {1e3, "kB"}, {1, "B"}}};
  if (bytes < 1000) return std::to_string(bytes) + " B";
  return scaled(static_cast<double>(bytes), kSteps);
}

std::string show_count(double count) {
  constexpr double kMostDigits = 1e15;
  if (std::abs(count) < 1e6 && count != std::round(count)) return significant(count);
  if (!(std::abs(count) < kMostDigits) || count != std::round(count) || (count >= 1e9 && std::fmod(count, 1e7) == 0))
    return scientific(count);
  std::string digits = std::to_string(std::llround(count));
  for (std::size_t at = digits.size(); at > 3 + (digits[0] == '-' ? 1 : 0);) digits.insert(at -= 3, ",");
  return digits;
}

std::string show_flops(double flops) {
  constexpr std::array<Step, 5> kSteps = {
      {{1e12, "TFLOP"}, {1e9, "GFLOP"}, {1e6, "MFLOP"}, {1e3, "kFLOP"}, {1, "FLOP"}}};
  return flops < 1e15 ? scaled(flops, kSteps) : scientific(flops) + " FLOP";
}

std::string show_ratio(double value) { return significant(value); }

std::string show_percent(double share) {
  const double percent = share * 100;
  std::array<char, 32> buffer;
  const int decimals =
      percent != 0 && std::abs(percent) < 9.95 && std::abs(percent - std::round(percent)) > 0.05 ? 1 : 0;
  const int n = std::snprintf(buffer.data(), buffer.size(), "%.*f %%", decimals, percent);
  return {buffer.data(), static_cast<std::size_t>(n)};
}

std::size_t columns(std::string_view text) {
  return static_cast<std::size_t>(std::ranges::count_if(text, [](char c) { return (c & 0xC0) != 0x80; }));
}

std::string quantity_key(std::string_view name, std::string_view unit) {
  return std::string{name} + (unit.empty() ? "" : "_") + std::string{unit};
}

std::string fit(std::string_view text, std::size_t width) {
  std::string clean;
  for (const char c : text) clean += static_cast<unsigned char>(c) < 0x20 || c == 0x7F ? '?' : c;
  if (columns(clean) <= width) return clean;
  std::size_t bytes = 0;
  for (std::size_t seen = 0; bytes < clean.size(); ++bytes) {
    if ((clean[bytes] & 0xC0) != 0x80 && seen++ == width - 1) break;
  }
  return clean.substr(0, bytes) + "…";
}

std::string fit_middle(std::string_view text, std::size_t width) {
  constexpr std::size_t kEnd = 6;
  const bool is_plain = std::ranges::all_of(text, [](char c) { return c >= 0x20 && c < 0x7F; });
  if (!is_plain || text.size() <= width || width < 2 * kEnd) return fit(text, width);
  return std::string{text.substr(0, width - kEnd - 1)} + "…" + std::string{text.substr(text.size() - kEnd)};
}

std::string pad_right(std::string_view text, std::size_t width) {
  const std::size_t taken = columns(text);
  return std::string{text} + std::string(width > taken ? width - taken : 0, ' ');
}

std::string pad_left(std::string_view text, std::size_t width) {
  const std::size_t taken = columns(text);
  return std::string(width > taken ? width - taken : 0, ' ') + std::string{text};
}

}  // namespace everywatt

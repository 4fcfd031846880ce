#include "import/timestamp.h"

#include <array>
#include <chrono>
#include <cmath>
#include <limits>

#include "base/text.h"
#include "model/microjoules.h"

namespace everywatt {
namespace {

constexpr int kLastYear = 2261;

// Reads a text from its front; each step says whether it was there.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : text_{text} {}

  bool skip(char c) {
    if (text_.empty() || text_.front() != c) return false;
    text_.remove_prefix(1);
    return true;
  }
  char next() const { return text_.empty() ? '\0' : text_.front(); }
  bool is_done() const { return text_.empty(); }
  std::string_view rest() const { return text_; }

  std::optional<int> digits(std::size_t count) {
    if (text_.size() < count) return std::nullopt;
    int value = 0;
    for (const char c : text_.substr(0, count)) {
      if (c < '0' || c > '9') return std::nullopt;
      value = value * 10 + (c - '0');
    }
    text_.remove_prefix(count);
    return value;
  }

  // Digits behind a decimal point, as parts of `one`; what is finer is cut off.
  std::optional<Nanoseconds> fraction(Nanoseconds one) {
    Nanoseconds value = 0;
    bool has_digit = false;
    while (next() >= '0' && next() <= '9') {
      has_digit = true;
      one /= 10;
      value += one * (next() - '0');
      text_.remove_prefix(1);
    }
    return has_digit ? std::optional{value} : std::nullopt;
  }

 private:
  std::string_view text_;
};

std::optional<Nanoseconds> scan_day(Scanner& scanner) {
  const auto year = scanner.digits(4);
  const char between = scanner.next();
  if (!year || *year < 1970 || *year > kLastYear || (between != '-' && between != '/') || !scanner.skip(between))
    return std::nullopt;
  const auto month = scanner.digits(2);
  if (!month || !scanner.skip(between)) return std::nullopt;
  const auto day = scanner.digits(2);
  if (!day) return std::nullopt;
  const std::chrono::year_month_day date{std::chrono::year{*year}, std::chrono::month{static_cast<unsigned>(*month)},
                                         std::chrono::day{static_cast<unsigned>(*day)}};
  if (!date.ok()) return std::nullopt;
  return std::chrono::sys_days{date}.time_since_epoch().count() * Nanoseconds{86400} * kSecond;
}

std::optional<Nanoseconds> scan_clock(Scanner& scanner) {
  const auto hour = scanner.digits(2);
  if (!hour || *hour > 23 || !scanner.skip(':')) return std::nullopt;
  const auto minute = scanner.digits(2);
  if (!minute || *minute > 59) return std::nullopt;
  Nanoseconds time = kSecond * *hour * 3600 + kSecond * *minute * 60;
  if (!scanner.skip(':')) return time;
  const auto second = scanner.digits(2);
  if (!second || *second > 60) return std::nullopt;
  time += *second * kSecond;
  if (!scanner.skip('.') && !scanner.skip(',')) return time;
  const auto fraction = scanner.fraction(kSecond);
  if (!fraction) return std::nullopt;
  return time + *fraction;
}

// How far local time is ahead of UTC; none: no zone is given. Outer none: not a zone.
std::optional<std::optional<Nanoseconds>> scan_zone(Scanner& scanner) {
  if (scanner.is_done()) return std::optional<Nanoseconds>{};
  while (scanner.skip(' ')) {
  }
  if (scanner.rest() == "Z" || scanner.rest() == "z" || scanner.rest() == "UTC") return std::optional<Nanoseconds>{0};
  const int sign = scanner.next() == '-' ? -1 : 1;
  if (!scanner.skip('+') && !scanner.skip('-')) return std::nullopt;
  const auto hours = scanner.digits(2);
  if (!hours || *hours > 23) return std::nullopt;
  std::optional<int> minutes = 0;
  if (!scanner.is_done()) {
    scanner.skip(':');
    minutes = scanner.digits(2);
  }
  if (!minutes || *minutes > 59 || !scanner.is_done()) return std::nullopt;
  return std::optional{sign * (kSecond * *hours * 3600 + kSecond * *minutes * 60)};
}

}  // namespace

std::optional<IsoTime> parse_iso_time(std::string_view text) {
  Scanner scanner{text};
  const auto day = scan_day(scanner);
  if (!day || (!scanner.skip('T') && !scanner.skip(' '))) return std::nullopt;
  const auto clock = scan_clock(scanner);
  if (!clock) return std::nullopt;
  const auto zone = scan_zone(scanner);
  if (!zone) return std::nullopt;
  const Nanoseconds wall = *day + *clock - zone->value_or(0);
  if (wall < 0) return std::nullopt;
  return IsoTime{wall, zone->has_value()};
}

std::optional<TimeUnit> parse_time_unit(std::string_view text) {
  constexpr std::array<std::string_view, 4> kUnits = {"s", "ms", "us", "ns"};
  for (std::size_t i = 0; i < kUnits.size(); ++i)
    if (kUnits[i] == text) return static_cast<TimeUnit>(i);
  return std::nullopt;
}

std::optional<Nanoseconds> parse_time_count(std::string_view text, TimeUnit unit) {
  constexpr std::array<Nanoseconds, 4> kOne = {kSecond, kMillisecond, 1000, 1};
  const Nanoseconds one = kOne[static_cast<std::size_t>(unit)];
  constexpr Nanoseconds kMost = std::numeric_limits<Nanoseconds>::max();
  const std::size_t point = text.find('.');
  if (const auto whole = parse_u64(text.substr(0, point)); whole) {
    if (*whole >= static_cast<std::uint64_t>(kMost / one)) return std::nullopt;
    Nanoseconds time = static_cast<Nanoseconds>(*whole) * one;
    if (point == text.npos) return time;
    Scanner scanner{text.substr(point + 1)};
    const auto fraction = scanner.fraction(one);
    if (fraction && scanner.is_done()) return time + *fraction;
  }
  const auto value = parse_double(text);
  if (!value || *value < 0 || *value * static_cast<double>(one) >= 9.2e18) return std::nullopt;
  return static_cast<Nanoseconds>(std::llround(*value * static_cast<double>(one)));
}

}  // namespace everywatt

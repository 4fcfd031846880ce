#include "analysis/budget.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/text.h"

namespace everywatt {
namespace {

constexpr double kNear = 0.8;
constexpr double kMost = 9e18;  // of what 63 bits hold

struct Unit {
  std::string_view name;
  double worth;
};
constexpr Unit kEnergy[] = {{"J", 1e6},    {"kJ", 1e9},     {"MJ", 1e12},   {"GJ", 1e15},
                            {"Wh", 3.6e9}, {"kWh", 3.6e12}, {"MWh", 3.6e15}};
constexpr Unit kTime[] = {{"s", 1e9}, {"min", 60e9}, {"h", 3600e9}, {"d", 86'400e9}};

// A number above 0 and one of these units.
std::optional<std::int64_t> amount(std::string_view text, std::span<const Unit> units) {
  const auto end = text.find_last_of("0123456789.");
  if (end == text.npos) return std::nullopt;
  const auto number = parse_double(trim(text.substr(0, end + 1)));
  const auto unit = std::ranges::find(units, trim(text.substr(end + 1)), &Unit::name);
  if (!number || *number <= 0 || unit == units.end() || *number * unit->worth > kMost) return std::nullopt;
  const auto whole = std::llround(*number * unit->worth);
  return whole > 0 ? std::optional<std::int64_t>{whole} : std::nullopt;
}

}  // namespace

std::optional<Nanoseconds> parse_duration(std::string_view text) { return amount(text, kTime); }

Result<Budget> parse_budget(const std::vector<std::string>& texts) {
  Budget budget;
  for (const std::string& text : texts) {
    const auto energy = amount(text, kEnergy);
    const auto time = amount(text, kTime);
    if (!energy && !time)
      return fail(Errc::misuse,
                  "--budget expects energy (200J, 2MJ, 5kWh) or time (90s, 30min, 2h, 1d), not '" + text + "'");
    if ((energy && budget.energy) || (time && budget.time))
      return fail(Errc::misuse, "--budget " + text + ": there is one of its kind already");
    if (energy) budget.energy = energy;
    if (time) budget.time = time;
  }
  return budget;
}

double BudgetWatch::used(MicroJoules spent, Nanoseconds elapsed) const {
  double most = 0;
  if (budget_.energy) most = std::max(most, static_cast<double>(spent) / static_cast<double>(*budget_.energy));
  if (budget_.time) most = std::max(most, static_cast<double>(elapsed) / static_cast<double>(*budget_.time));
  return most;
}

BudgetWatch::Stage BudgetWatch::judge(MicroJoules spent, Nanoseconds elapsed) {
  const double share = used(spent, elapsed);
  const Stage now = share >= 1 ? Stage::over : share >= kNear ? Stage::near : Stage::within;
  if (now <= reached_) return Stage::within;
  reached_ = now;
  return now;
}

}  // namespace everywatt

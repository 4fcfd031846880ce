#include "meter/step_fold.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

namespace everywatt {
namespace {

// More of them in one stretch of readings are so short that each window holds whole ones.
constexpr std::size_t kMostSteps = 8192;
constexpr std::size_t kFewestLooks = 48;
constexpr std::size_t kParts = 40;   // of a step
constexpr Nanoseconds kPoints = 16;  // of a window
constexpr double kHardlySeen = 0.2;  // of what each part has on average
// Registers that are said to be renewed every 100 ms were found to be every 96 to 104 (arXiv 2312.02741).
constexpr double kShortestPeriod = 0.96;
constexpr double kLongestPeriod = 1.04;
constexpr int kMostRounds = 5;  // renewals after which the same part is seen again

}  // namespace

void StepFold::take(Nanoseconds end) {
  if (!ends_.empty() && end <= ends_.back()) return;
  ends_.push_back(end);
  if (ends_.size() > kMostSteps) ends_.pop_front();
}

void StepFold::forget_before(Nanoseconds time) {
  while (ends_.size() > 1 && ends_[1] <= time) ends_.pop_front();
}

std::optional<StepFold::Seen> StepFold::seen_by(std::span<const Look> looks, Nanoseconds window) const {
  struct Part {
    double weight = 0;
    double watts = 0;
  };
  std::array<Part, kParts> parts{};
  std::size_t count = 0;
  for (const Look& look : looks) {
    bool is_whole = true;
    std::array<std::size_t, kPoints> at{};
    for (Nanoseconds point = 0; point < kPoints; ++point) {
      const Nanoseconds time = look.middle - window / 2 + window * (2 * point + 1) / (2 * kPoints);
      const auto end = std::ranges::upper_bound(ends_, time);
      is_whole = is_whole && end != ends_.begin() && end != ends_.end() && is_of_kind(*end - *(end - 1));
      if (!is_whole) break;
      const double where = static_cast<double>(time - *(end - 1)) / static_cast<double>(*end - *(end - 1));
      at[static_cast<std::size_t>(point)] = std::min(static_cast<std::size_t>(where * kParts), kParts - 1);
    }
    if (!is_whole) continue;
    ++count;
    for (const std::size_t part : at) {
      parts[part].weight += 1.0 / static_cast<double>(kPoints);
      parts[part].watts += look.watts / static_cast<double>(kPoints);
    }
  }
  if (count < kFewestLooks) return std::nullopt;
  const double least = kHardlySeen * static_cast<double>(count) / kParts;
  Seen seen;
  double parts_seen = 0;
  for (const Part& part : parts) {
    if (part.weight <= least) continue;
    ++parts_seen;
    seen.watts += part.watts / part.weight;
  }
  seen.watts /= parts_seen;
  seen.unseen = 1 - parts_seen / kParts;
  return seen;
}

double StepFold::most_unseen(Nanoseconds window) const {
  const auto step = median();
  if (!step) return 0;
  double most = 0;
  for (int rounds = 1; rounds <= kMostRounds; ++rounds) {
    // A whole number of steps in so many renewals: then they meet it at as many places, evenly apart.
    const auto [least, longest] = steps_in(rounds, *step);
    if (std::floor(longest) < std::ceil(least)) continue;
    most = std::max(most, 1 - rounds * static_cast<double>(window) / static_cast<double>(*step));
  }
  return most;
}

StepFold::Range StepFold::steps_in(int renewals, Nanoseconds step) const {
  const double steps = renewals * static_cast<double>(period_) / static_cast<double>(step);
  return {kShortestPeriod * steps, kLongestPeriod * steps};
}

bool StepFold::may_advance_by(double cycles) const {
  const auto step = median();
  if (!step) return false;
  const auto [least, most] = steps_in(1, *step);
  for (double whole = std::floor(least); whole <= std::ceil(most); ++whole) {
    for (const double steps : {whole - cycles, whole + cycles}) {
      if (steps >= least && steps <= most) return true;
    }
  }
  return false;
}

std::optional<Nanoseconds> StepFold::median() const {
  std::vector<Nanoseconds> lengths;
  for (std::size_t i = 1; i < ends_.size(); ++i) {
    if (is_of_kind(ends_[i] - ends_[i - 1])) lengths.push_back(ends_[i] - ends_[i - 1]);
  }
  if (lengths.size() < kFewestLooks) return std::nullopt;
  const auto middle = lengths.begin() + static_cast<std::ptrdiff_t>(lengths.size() / 2);
  std::ranges::nth_element(lengths, middle);
  return *middle;
}

}  // namespace everywatt

#include "analysis/baseline.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <utility>

#include "analysis/student.h"
#include "analysis/trimmed.h"

namespace everywatt {
namespace {

// Two figures, energy and time, are tested: each may be wrong by chance in half of 5 %.
constexpr double kEach = 0.025;
constexpr double kSeen = 0.9;

// Where a run stands and how long it was meant to be says nothing of how it went.
const std::set<std::string> kNoChange = {"working_directory", "expected_epochs", "epoch_phase"};

using Values = std::vector<double>;

// None: nothing to take a logarithm of.
std::optional<Values> logarithms(const std::vector<PhaseTime>& times, double (*of)(const PhaseTime&)) {
  Values values;
  for (const PhaseTime& time : times) {
    if (of(time) <= 0) return std::nullopt;
    values.push_back(std::log(of(time)));
  }
  if (values.size() < kLeastTimes) return std::nullopt;
  return values;
}

double energy_of(const PhaseTime& time) { return static_cast<double>(time.energy); }
double length_of(const PhaseTime& time) { return static_cast<double>(time.end - time.begin); }

struct Difference {
  double value = 0;  // of logarithms
  double error = 0;  // standard
  double degrees = 1;
};

Difference difference(const Trimmed& before, const Trimmed& after) {
  const double variance = before.variance + after.variance;
  const double spread = before.variance * before.variance / before.degrees +
                        after.variance * after.variance / after.degrees;  // Welch and Satterthwaite
  return {.value = after.mean - before.mean,
          .error = std::sqrt(variance),
          .degrees = spread > 0 ? variance * variance / spread : before.degrees + after.degrees};
}

// `told_by`: how many degrees of freedom the spread was told by.
double detectable(const Difference& between, double told_by, double tolerance) {
  const double reach = student_quantile(1 - kEach / 2, between.degrees) + student_quantile(kSeen, between.degrees);
  return std::expm1(std::log1p(tolerance) + reach * between.error * spread_bound(told_by));
}

std::optional<Ratio> ratio_of(const std::vector<PhaseTime>& before, const std::vector<PhaseTime>& after,
                              double (*of)(const PhaseTime&), const CompareOptions& options) {
  const auto a = logarithms(before, of), b = logarithms(after, of);
  if (!a || !b) return std::nullopt;
  const Difference between = difference(trimmed(*a), trimmed(*b));
  const double reach = student_quantile(1 - kEach / 2, between.degrees) * between.error;
  Ratio ratio{.value = std::exp(between.value),
              .low = std::exp(between.value - reach),
              .high = std::exp(between.value + reach),
              .detectable = detectable(between, between.degrees, options.tolerance)};
  if (ratio.low > 1 + options.tolerance) ratio.outcome = Outcome::worse;
  if (ratio.high < 1 / (1 + options.tolerance)) ratio.outcome = Outcome::better;
  return ratio;
}

std::optional<std::string> value_in(const std::map<std::string, std::string>& facts, const std::string& key) {
  const auto found = facts.find(key);
  return found == facts.end() ? std::nullopt : std::optional{found->second};
}

std::string percent(double share) { return std::to_string(std::lround(100 * share)) + " %"; }

}  // namespace

std::vector<Change> changes_between(const Profile& before, const Profile& after) {
  std::map<std::string, std::string> old = before.environment, now = after.environment;
  old["hardware"] = before.hardware;
  now["hardware"] = after.hardware;
  std::set<std::string> keys;
  for (const auto& [key, value] : old) keys.insert(key);
  for (const auto& [key, value] : now) keys.insert(key);
  std::vector<Change> changes;
  for (const std::string& key : keys) {
    Change change{.what = key, .before = value_in(old, key), .after = value_in(now, key)};
    if (change.before != change.after && !kNoChange.contains(key)) changes.push_back(std::move(change));
  }
  return changes;
}

Result<void> check_comparable(const Profile& before, const Profile& after, Allow allow) {
  if (allow == Allow::other_hardware) return {};
  if (before.hardware != after.hardware)
    return fail(Errc::misuse, "run " + after.run + " is of other hardware (" + after.hardware +
                                  ") than the baseline (" + before.hardware +
                                  "): --other-hardware compares them all the same");
  if (before.boundary != after.boundary)
    return fail(Errc::misuse, "run " + after.run + " counts the " + after.boundary + ", the baseline the " +
                                  before.boundary + ": --other-hardware compares them all the same");
  return {};
}

Comparison compare(const Profile& before, const Profile& after, const CompareOptions& options) {
  Comparison comparison{.changes = changes_between(before, after)};
  comparison.time = ratio_of(before.times, after.times, length_of, options);
  if (before.energy && after.energy) comparison.energy = ratio_of(before.times, after.times, energy_of, options);
  if (!comparison.energy || !comparison.time) {
    comparison.reason = "the spread over " + before.phase + " takes " + std::to_string(kLeastTimes) +
                        " times with a figure on both sides; the baseline has " + std::to_string(before.times.size()) +
                        ", the run " + std::to_string(after.times.size());
    return comparison;
  }
  const double most = 1 + std::max(kNotToMiss, options.tolerance);
  for (const auto& [ratio, name] : {std::pair{comparison.energy, "energy"}, std::pair{comparison.time, "time"}}) {
    if (ratio->outcome == Outcome::worse) comparison.verdict = Comparison::Verdict::worse;
    if (ratio->high > most && comparison.reason.empty())
      comparison.reason = "the spread is wide: " + std::string{name} + " may have grown by " + percent(ratio->high - 1);
  }
  if (comparison.verdict == Comparison::Verdict::worse) {
    comparison.reason.clear();
  } else if (comparison.reason.empty()) {
    comparison.verdict = Comparison::Verdict::no_worse;
  }
  return comparison;
}

std::optional<double> detectable_increase(const Profile& profile, const CompareOptions& options) {
  const auto values = logarithms(profile.times, energy_of);
  if (!values || !profile.energy) return std::nullopt;
  const Trimmed own = trimmed(*values);
  // The other run's spread is not known yet: it is taken to be like this one's, of which only our epochs tell.
  return detectable(difference(own, own), own.degrees, options.tolerance);
}

}  // namespace everywatt

// A run against the one that is taken for the norm: what changed around it, then what changed in its figures, and
// whether that is more than one epoch differs from the next. Epochs are compared by their logarithms with Yuen's test
// (analysis/trimmed.h) and Welch's degrees of freedom. Pure: no clock, no ledger.
//
// What epochs of one run do not show, how far whole runs of the same thing lie apart, is not in the spread: the
// tolerance is for that.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "analysis/profile.h"
#include "base/result.h"

namespace everywatt {

struct Change {
  std::string what;                        // "torch"
  std::optional<std::string> before = {};  // none: was not told
  std::optional<std::string> after = {};
  bool operator==(const Change&) const = default;
};

enum class Outcome { same, better, worse };

// Of one figure: after / before, with an interval that, together with that of the other figure, holds the true ratios
// in 95 of 100 comparisons.
struct Ratio {
  double value = 1;
  double low = 1;
  double high = 1;
  double detectable = 0;  // the least relative increase that is found nine times of ten
  Outcome outcome = Outcome::same;
};

struct CompareOptions {
  double tolerance = 0.01;  // a relative increase that is let pass
};

struct Comparison {
  std::vector<Change> changes;       // in the order of their names
  std::optional<Ratio> energy = {};  // of one epoch; none: fewer than three on one side, or no figure
  std::optional<Ratio> time = {};
  enum class Verdict { no_worse, worse, inconclusive };
  Verdict verdict = Verdict::inconclusive;
  std::string reason = {};  // why it is inconclusive
};

// Fewer epochs say nothing of their spread.
inline constexpr std::size_t kLeastTimes = 3;
// Who cannot rule out so large an increase does not say that there is none.
inline constexpr double kNotToMiss = 0.05;

// What was there before and after in other words.
std::vector<Change> changes_between(const Profile& before, const Profile& after);

// Errc::misuse: figures of other hardware, or of another boundary, say nothing unless somebody says they shall.
enum class Allow { nothing, other_hardware };
Result<void> check_comparable(const Profile& before, const Profile& after, Allow allow);

Comparison compare(const Profile& before, const Profile& after, const CompareOptions& options = {});

// The least relative increase of the energy of one epoch that a run with as many epochs shows nine times of ten; none:
// fewer than three.
std::optional<double> detectable_increase(const Profile& profile, const CompareOptions& options = {});

}  // namespace everywatt

// How much a run may use, and whether it has: a word at four fifths, another at the whole. Pure: whoever asks says how
// much was used, and does what follows.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "base/units.h"
#include "model/microjoules.h"

namespace everywatt {

struct Budget {
  std::optional<MicroJoules> energy = {};  // charged to the run
  std::optional<Nanoseconds> time = {};
  [[nodiscard]] bool is_empty() const { return !energy && !time; }
};

// "5kWh", "200 J", "2h", "90min"; each kind once. Errc::misuse: anything else.
Result<Budget> parse_budget(const std::vector<std::string>& texts);
// A length of time: "30s", "2h".
std::optional<Nanoseconds> parse_duration(std::string_view text);

class BudgetWatch {
 public:
  explicit BudgetWatch(Budget budget) : budget_{budget} {}

  enum class Stage { within, near, over };
  // What has been reached since the last call; `within`: nothing new.
  Stage judge(MicroJoules spent, Nanoseconds elapsed);
  // The share of the budget that is used most, from 0.
  [[nodiscard]] double used(MicroJoules spent, Nanoseconds elapsed) const;

 private:
  Budget budget_;
  Stage reached_ = Stage::within;
};

}  // namespace everywatt

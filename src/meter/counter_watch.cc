// The part of a device's books that does not take a counter's word: it is
// compared with the integral of its own board's power, deposed where that
// contradicts it, and the windows that it supplied are booked anew.
#include <algorithm>
#include <iterator>
#include <utility>

#include "meter/device_books.h"

namespace everywatt {
namespace {

// A counter this far below the integral of its board's own power does not count:
// idle GPUs were seen whose counter ran 43 % low (zeus issue 181), while sound ones
// agree within 1 % (zeus issue 12).
constexpr double kContradiction = 0.05;
// So much further below may one be that was held against a meter, where the power was not: what shunts are said to be
// off by (Yang, Adamek, Armour, SC'24).
constexpr double kLeadOfCalibrated = 0.05;
// Windows in a row: a step at one end of them stands some tenths of a second earlier in a mean over a second.
constexpr int kPatience = 3;

bool is_quiet(const WindowFacts& facts) { return facts.worked && is_at_rest(*facts.worked, facts.length); }

}  // namespace

// Power that sees all of the time, else power that sees a part of it; 0: none.
std::size_t DeviceBooks::check_of_counter() const {
  if (!elected().sensor || elected().candidate.channel.method != Method::counter) return 0;
  std::size_t partial = 0;
  for (std::size_t i = 1; i < meters_.size(); ++i) {
    const Channel& channel = meters_[i].candidate.channel;
    if (!meters_[i].sensor || channel.method != Method::integrated || channel.period <= 0) continue;
    if (meters_[i].curve().empty()) continue;
    if (channel.window >= channel.period) return i;
    if (channel.window > 0 && partial == 0) partial = i;
  }
  return partial;
}

// Over the last windows that both saw all of; where the power sees a part of the time, those in which nobody worked:
// what is drawn then is constant.
bool DeviceBooks::is_contradicted(const Meter& check) const {
  const EnergyCurve& integral = check.curve();
  MicroJoules by_counter = 0;
  MicroJoules by_power = 0;
  Nanoseconds length = 0;
  for (auto past = past_.rbegin(); past != past_.rend() && length < kComparisonTime; ++past) {
    if (past->to > integral.points().back().time) continue;  // not reached yet
    if (past->from < integral.points().front().time) break;
    if (check.sensor->sees_part() && !is_quiet(past->facts)) continue;
    if (!past->is_observed || integral.observed(past->from, past->to) < past->to - past->from) continue;
    by_counter += past->facts.energy;
    by_power += integral.between(past->from, past->to);
    length += past->to - past->from;
  }
  if (length < kComparisonTime) return false;
  // A counter that was held against a meter is believed before power that was not.
  const bool is_known_better = elected().candidate.is_calibrated_itself() && !check.candidate.is_calibrated_itself();
  const double allowed = kContradiction + (is_known_better ? kLeadOfCalibrated : 0);
  return static_cast<double>(by_counter) < (1 - allowed) * static_cast<double>(by_power);
}

void DeviceBooks::watch_counter(RunDelta& into) {
  const std::size_t check = is_deposed_ ? 0 : check_of_counter();
  if (check == 0) {
    past_.clear();
    contradictions_ = 0;
  } else if (!is_contradicted(meters_[check])) {
    contradictions_ = 0;
  } else if (++contradictions_ >= kPatience) {
    depose_counter(check, into);
  }
}

void DeviceBooks::depose_counter(std::size_t check, RunDelta& into) {
  const EnergyCurve& integral = meters_[check].curve();
  if (is_gpu()) gpu_floor_.emplace(meters_[check].candidate.channel.window);
  learner_ = learner_of(device_.kind, {}, most());
  for (Past& past : past_) {
    if (past.from < integral.points().front().time) continue;
    past.facts.energy = integral.between(past.from, std::min(past.to, integral.points().back().time));
    const double capacity = static_cast<double>(past.facts.length) * static_cast<double>(past.facts.cpus);
    if (past.facts.worked)
      learner_.observe(static_cast<double>(past.facts.energy) * microjoule, past.facts.length,
                       static_cast<double>(*past.facts.worked) / std::max(capacity, 1.0));
    const Floor learnt = learner_.now();
    if (learnt.power > Power{} && !past.is_shared) past.facts.floor = learnt.power;
    correct(past, book_for_run(past.facts), into);
  }
  // The two stay compared; what others were compared with is not elected any more.
  auto comparison = std::exchange(meters_[check].comparison, std::nullopt);
  if (comparison) {
    std::swap(comparison->from.elected, comparison->from.other);
    std::swap(comparison->to.elected, comparison->to.other);
  }
  for (Meter& meter : meters_) meter.comparison.reset();
  meters_.front().comparison = comparison;
  std::rotate(meters_.begin(), meters_.begin() + static_cast<std::ptrdiff_t>(check),
              meters_.begin() + static_cast<std::ptrdiff_t>(check) + 1);
  is_deposed_ = true;
  past_.clear();
  flag("counter-implausible");
  booked_at_ = elected().curve().at(until_);
  for (SeriesPoint& edge : booked_edges_) edge.value = elected().curve().at(edge.time);
  emitted_more_ = std::max<MicroJoules>(0, emitted_total_ - elected().curve().at(emitted_));
}

// What a window booked is taken back and booked anew, over the phases as it was.
void DeviceBooks::correct(const Past& past, const Accounts& anew, RunDelta& into) {
  booked_ += anew;
  booked_ -= past.accounts;
  std::vector<Entry> entries;
  for (const Account account : kAccounts) {
    if (anew[account] != 0)
      entries.push_back(
          {.device = device_.id, .phase = {}, .account = account, .minute = past.minute, .energy = anew[account]});
  }
  entries = divide_like(past.entries, entries);
  for (Entry entry : past.entries) {
    entry.energy = -entry.energy;
    entries.push_back(std::move(entry));
  }
  startup_.add({past.from, past.to, past.minute, outside_phases(entries)});
  std::ranges::move(entries, std::back_inserter(into.entries));
}

}  // namespace everywatt

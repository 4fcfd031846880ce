#include "model/accounts.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <numeric>
#include <utility>

namespace everywatt {
namespace {

MicroJoules idle_energy(const Window& window, Nanoseconds worked) {
  if (is_at_rest(worked, window.capacity) && window.worked_beside == 0) return window.energy;
  const double idle_share =
      1.0 - static_cast<double>(std::min(worked, window.capacity)) / static_cast<double>(window.capacity);
  const double seconds = static_cast<double>(window.length) / static_cast<double>(kSecond);
  const Energy idle = (idle_share * window.floor) * (seconds * second);
  return std::clamp(static_cast<MicroJoules>(std::llround(idle / microjoule)), MicroJoules{0}, window.energy);
}

// Nobody can say how much work there was.
Booking book_blind(const Window& window, std::span<const Use> runs) {
  Booking booking{.runs = std::vector<Booking::Part>(runs.size())};
  std::vector<std::uint64_t> weights;
  for (const Use& use : runs) weights.push_back(window.by_share ? use.reserved : 0);
  weights.push_back(window.by_share ? window.unreserved : kWholeDevice);
  const auto parts = split(window.energy, weights);
  for (std::size_t i = 0; i < runs.size(); ++i) booking.runs[i].busy = parts[i];
  booking.unattributed = parts.back();
  return booking;
}

}  // namespace

std::string_view to_string(Account account) {
  constexpr std::string_view kNames[] = {"busy", "idle", "other", "unattributed"};
  return kNames[static_cast<std::size_t>(account)];
}

MicroJoules& Accounts::operator[](Account account) {
  constexpr MicroJoules Accounts::* kOf[] = {&Accounts::busy, &Accounts::idle, &Accounts::other,
                                             &Accounts::unattributed};
  return this->*kOf[static_cast<std::size_t>(account)];
}

MicroJoules Accounts::operator[](Account account) const { return Accounts{*this}[account]; }

Accounts& Accounts::operator+=(const Accounts& more) {
  for (const Account account : kAccounts) (*this)[account] += more[account];
  return *this;
}

Accounts& Accounts::operator-=(const Accounts& less) {
  for (const Account account : kAccounts) (*this)[account] -= less[account];
  return *this;
}

Accounts Booking::seen_by(std::size_t run) const {
  Accounts seen{.other = other, .unattributed = unattributed};
  for (std::size_t i = 0; i < runs.size(); ++i) {
    if (i == run) {
      seen.busy = runs[i].busy;
      seen.idle = runs[i].idle;
    } else {
      seen.other += runs[i].busy + runs[i].idle;
    }
  }
  return seen;
}

Booking book(const Window& window, std::span<const Use> runs) {
  assert(window.energy >= 0);
  if (!window.worked || window.capacity <= 0) return book_blind(window, runs);

  Nanoseconds ours = 0;
  for (const Use& use : runs) ours += use.busy;
  const Nanoseconds worked = std::max(*window.worked, ours);
  const MicroJoules idle = idle_energy(window, worked);

  const bool is_of_beside = is_at_rest(worked, window.capacity) && window.worked_beside > 0;
  std::vector<std::uint64_t> work_weights;
  std::vector<std::uint64_t> idle_weights;
  work_weights.reserve(runs.size() + 1);
  idle_weights.reserve(runs.size() + 1);
  auto others = static_cast<std::uint64_t>(is_of_beside ? window.worked_beside : worked);
  for (const Use& use : runs) {
    const auto work = static_cast<std::uint64_t>(is_of_beside ? use.beside : use.busy);
    work_weights.push_back(work);
    others -= std::min(others, work);
    idle_weights.push_back(use.reserved);
  }
  work_weights.push_back(others);
  idle_weights.push_back(window.unreserved);
  const auto worked_parts = split(window.energy - idle, work_weights);
  const auto idle_parts = split(idle, idle_weights);

  Booking booking{.runs = std::vector<Booking::Part>(runs.size()), .other = worked_parts.back()};
  MicroJoules left = window.energy - booking.other;
  for (std::size_t i = 0; i < runs.size(); ++i) {
    booking.runs[i] = {.busy = worked_parts[i], .idle = idle_parts[i]};
    left -= worked_parts[i] + idle_parts[i];
  }
  booking.unattributed = left;
  return booking;
}

IdleWeights idle_weights(std::span<const unsigned> cpus, std::span<const Reservation> runs) {
  // Shares of single CPUs, so that overlapping sets divide what they share.
  std::vector<double> share(runs.size(), 0.0);
  const auto holds = [](const Reservation& run, unsigned cpu) {
    return run.is_explicit() && (!run.cpus || std::ranges::find(*run.cpus, cpu) != run.cpus->end());
  };
  // A quota spreads over the CPUs that the run may use.
  const auto strength = [&](const Reservation& run) {
    if (!run.quota) return 1.0;
    const double spread = static_cast<double>(run.cpus ? run.cpus->size() : std::max<std::size_t>(cpus.size(), 1));
    return std::clamp(*run.quota / std::max(spread, 1.0), 0.0, 1.0);
  };
  const bool is_any_explicit = std::ranges::any_of(runs, &Reservation::is_explicit);
  for (const unsigned cpu : is_any_explicit ? cpus : std::span<const unsigned>{}) {
    double claimed = 0;
    for (const Reservation& run : runs) claimed += holds(run, cpu) ? strength(run) : 0.0;
    const double scale = claimed > 1 ? 1 / claimed : 1.0;
    for (std::size_t i = 0; i < runs.size(); ++i) {
      if (holds(runs[i], cpu)) share[i] += strength(runs[i]) * scale / static_cast<double>(cpus.size());
    }
  }
  const double claimed = std::min(1.0, std::accumulate(share.begin(), share.end(), 0.0));
  const auto silent = std::ranges::count_if(runs, [](const Reservation& run) { return !run.is_explicit(); });
  for (std::size_t i = 0; i < runs.size() && silent > 0; ++i) {
    if (!runs[i].is_explicit()) share[i] = (1 - claimed) / static_cast<double>(silent);
  }

  IdleWeights weights;
  std::uint64_t given = 0;
  for (const double s : share) {
    const auto weight = static_cast<std::uint64_t>(std::floor(s * static_cast<double>(kWholeDevice)));
    weights.runs.push_back(std::min(weight, kWholeDevice - given));
    given += weights.runs.back();
  }
  weights.unreserved = kWholeDevice - given;
  // What rounding left over where all is taken goes to the first that takes what is there.
  const auto first = std::ranges::find_if(runs, [](const Reservation& run) { return !run.is_explicit(); });
  if (first != runs.end()) {
    weights.runs[static_cast<std::size_t>(first - runs.begin())] += std::exchange(weights.unreserved, 0);
  }
  return weights;
}

}  // namespace everywatt

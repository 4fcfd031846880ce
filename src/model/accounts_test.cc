#include <gtest/gtest.h>

#include <random>

#include "model/accounts.h"

namespace everywatt {
namespace {

constexpr Nanoseconds kOneSecond = kSecond;

Window window_of(MicroJoules energy, double utilisation, double floor_watts, int cpus = 2) {
  return {.energy = energy,
          .length = kOneSecond,
          .capacity = kOneSecond * cpus,
          .worked = static_cast<Nanoseconds>(utilisation * static_cast<double>(kOneSecond * cpus)),
          .floor = floor_watts * watt};
}

TEST(Accounts, IdleIsTheFloorOverTheTimeNobodyWorked) {
  Window window = window_of(50'000'000, 0.5, 20);
  const Booking booking = book(window, std::vector<Use>{{.busy = kOneSecond, .reserved = kWholeDevice}});
  EXPECT_EQ(booking.runs[0].idle, 10'000'000);
  EXPECT_EQ(booking.runs[0].busy, 40'000'000);
}

TEST(Accounts, ASleeperBesideABusyNeighbourGetsHalfTheIdleAndNoWork) {
  const Window window = window_of(50'000'000, 0.5, 20);
  const Booking booking = book(window, std::vector<Use>{{.busy = kOneSecond, .reserved = kWholeDevice / 2},
                                                        {.busy = 0, .reserved = kWholeDevice / 2}});
  EXPECT_EQ(booking.runs[0].busy, 40'000'000);
  EXPECT_EQ(booking.runs[1].busy, 0);
  EXPECT_EQ(booking.runs[1].idle, 5'000'000);
  EXPECT_EQ(booking.seen_by(1).other, 45'000'000);
}

TEST(Accounts, BelowOneIn256NothingIsWork) {
  const Window window = window_of(50'000'000, 0.003, 20);
  const Booking booking = book(window, std::vector<Use>{{.busy = kOneSecond / 200, .reserved = kWholeDevice}});
  EXPECT_EQ(booking.runs[0].idle, 50'000'000);
}

TEST(Accounts, WhatALongMeanShowsOfAQuietWindowBelongsToTheWorkBesideIt) {
  Window window = window_of(50'000'000, 0, 20);
  window.worked_beside = 4 * kOneSecond;
  const Booking booking = book(
      window, std::vector<Use>{{.reserved = kWholeDevice / 2, .beside = kOneSecond}, {.reserved = kWholeDevice / 2}});
  EXPECT_EQ(booking.runs[0].idle, 10'000'000);
  EXPECT_EQ(booking.runs[1].idle, 10'000'000);
  EXPECT_EQ(booking.runs[0].busy, 7'500'000);
  EXPECT_EQ(booking.runs[1].busy, 0);
  EXPECT_EQ(booking.other, 22'500'000);
  EXPECT_EQ(booking.seen_by(0).measured(), window.energy);
}

TEST(Accounts, ForeignWorkIsOther) {
  const Window window = window_of(80'000'000, 1.0, 20);
  const Booking booking = book(window, std::vector<Use>{{.busy = kOneSecond / 2, .reserved = kWholeDevice}});
  EXPECT_EQ(booking.runs[0].busy, 20'000'000);
  EXPECT_EQ(booking.other, 60'000'000);
}

TEST(Accounts, UnknownUtilisationIsNobodysUnlessReservationsDivideIt) {
  Window window{.energy = 7, .length = kOneSecond, .capacity = kOneSecond};
  EXPECT_EQ(book(window, std::vector<Use>{{.reserved = kWholeDevice}}).unattributed, 7);
  window.by_share = true;
  EXPECT_EQ(book(window, std::vector<Use>{{.reserved = kWholeDevice}}).runs[0].busy, 7);
  // Slices of a GPU: three sevenths ours, two another's, two nobody's.
  window.unreserved = 2;
  const Booking booking = book(window, std::vector<Use>{{.reserved = 3}, {.reserved = 2}});
  EXPECT_EQ(booking.runs[0].busy, 3);
  EXPECT_EQ(booking.runs[1].busy, 2);
  EXPECT_EQ(booking.unattributed, 2);
}

TEST(Accounts, SumToMeasuredForEveryRunInRandomScenarios) {
  std::mt19937_64 random{3};
  const auto below = [&](std::uint64_t n) { return static_cast<Nanoseconds>(random() % n); };
  for (int round = 0; round < 20000; ++round) {
    const int cpus = 1 + static_cast<int>(random() % 8);
    Window window{.energy = below(1'000'000'000),
                  .length = 1 + below(kOneSecond),
                  .floor = static_cast<double>(below(100)) * watt};
    window.capacity = window.length * cpus;
    if (random() % 8) window.worked = below(static_cast<std::uint64_t>(window.capacity) + 1);
    std::vector<Use> runs(random() % 5);
    std::vector<Reservation> held(runs.size());
    std::vector<unsigned> all;
    for (int cpu = 0; cpu < cpus; ++cpu) all.push_back(static_cast<unsigned>(cpu));
    for (auto& reservation : held) {
      if (random() % 2) continue;
      reservation.cpus.emplace();
      for (const unsigned cpu : all) {
        if (random() % 2) reservation.cpus->push_back(cpu);
      }
    }
    const IdleWeights weights = idle_weights(all, held);
    std::uint64_t sum = weights.unreserved;
    for (std::size_t i = 0; i < runs.size(); ++i) {
      runs[i] = {.busy = random() % 4 ? below(static_cast<std::uint64_t>(window.capacity)) : 0,
                 .reserved = weights.runs[i]};
      sum += weights.runs[i];
    }
    ASSERT_EQ(sum, kWholeDevice);
    window.unreserved = weights.unreserved;
    window.by_share = random() % 2;
    const Booking booking = book(window, runs);
    MicroJoules total = booking.other + booking.unattributed;
    for (std::size_t i = 0; i < runs.size(); ++i) {
      const Accounts seen = booking.seen_by(i);
      ASSERT_EQ(seen.measured(), window.energy);
      ASSERT_GE(std::min({seen.busy, seen.idle, seen.other, seen.unattributed}), 0);
      total += booking.runs[i].busy + booking.runs[i].idle;
    }
    ASSERT_EQ(total, window.energy);
  }
}

TEST(IdleWeights, ExplicitSharesComeFirstAndTheRestIsEven) {
  const std::vector<unsigned> cpus{0, 1, 2, 3};
  const auto weights = idle_weights(cpus, std::vector<Reservation>{{.cpus = std::vector<unsigned>{0, 1}}, {}, {}});
  EXPECT_EQ(weights.runs, (std::vector<std::uint64_t>{kWholeDevice / 2, kWholeDevice / 4, kWholeDevice / 4}));
  EXPECT_EQ(weights.unreserved, 0u);
}

TEST(IdleWeights, WhereSetsOverlapEachCpuIsDivided) {
  const std::vector<unsigned> cpus{0, 1, 2, 3};
  const auto weights = idle_weights(
      cpus, std::vector<Reservation>{{.cpus = std::vector<unsigned>{0, 1, 2}}, {.cpus = std::vector<unsigned>{2, 3}}});
  EXPECT_EQ(weights.runs[0], kWholeDevice * 5 / 8);
  EXPECT_EQ(weights.runs[1], kWholeDevice * 3 / 8);
}

TEST(IdleWeights, WhatNobodyReservesIsUnattributed) {
  const std::vector<unsigned> cpus{0, 1, 2, 3};
  EXPECT_EQ(idle_weights(cpus, std::vector<Reservation>{{.cpus = std::vector<unsigned>{1}}}).unreserved,
            kWholeDevice * 3 / 4);
  EXPECT_EQ(idle_weights(cpus, std::vector<Reservation>{{.quota = 2.0}}).runs[0], kWholeDevice / 2);
}

}  // namespace
}  // namespace everywatt

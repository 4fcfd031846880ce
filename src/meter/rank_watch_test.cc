// Ranks that step together, in virtual time.
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "meter/rank_watch.h"

namespace everywatt {
namespace {

ProcessKey process(int rank) { return {.pid = 100 + rank, .start_ticks = 1}; }

// Ranks that work for a time each, then wait until the last has come, and a little longer.
class Job {
 public:
  void step(const std::vector<Nanoseconds>& worked) {
    const Nanoseconds last = *std::ranges::max_element(worked);
    for (std::size_t i = 0; i < worked.size(); ++i) {
      const ProcessKey who = process(static_cast<int>(i));
      const auto say = [&](Nanoseconds time, decltype(Mark::what) what) {
        watch.take({.time = time, .lane = {.process = who, .thread = who.pid}, .what = std::move(what)});
      };
      say(now_ + worked[i], WaitBegin{++span_, "allreduce"});
      say(now_ + last + kTalk, WaitEnd{span_});
      say(now_ + last + kTalk, StepMark{});
      waited_ += last - worked[i];
    }
    now_ += last + kTalk;
    watch.settle();
  }
  // Every process was charged as much as it lasted, in microwatts of a watt.
  std::vector<RankRecord> records(std::size_t ranks) const {
    std::map<ProcessKey, RankWatch::Charge> charges;
    for (std::size_t i = 0; i < ranks; ++i)
      charges[process(static_cast<int>(i))] = {.all = 2'000'000, .waiting = 1'000'000};
    return watch.records(now_, charges);
  }

  static constexpr Nanoseconds kTalk = kMillisecond;
  RankWatch watch;
  Nanoseconds waited_ = 0;

 private:
  Nanoseconds now_ = 0;
  std::uint64_t span_ = 0;
};

TEST(Ranks, WaitIsCausedByTheOneThatWorkedLongest) {
  Job job;
  for (int i = 0; i <= 100; ++i) job.step({10 * kMillisecond, 10 * kMillisecond, 13 * kMillisecond, 10 * kMillisecond});
  const auto records = job.records(4);
  ASSERT_EQ(records.size(), 4u);
  EXPECT_EQ(records[0].steps, 100u);  // the first begins before anything is known
  EXPECT_EQ(records[2].waited_on_others, 0);
  EXPECT_EQ(records[0].waited_on_others, 100 * 3 * kMillisecond);
  EXPECT_EQ(records[0].waited, 100 * 4 * kMillisecond);
  const MicroJoules waited = 1'000'000 * 300 / 404;  // three of four milliseconds, in all waits but the first
  EXPECT_EQ(records[0].energy_waited, waited);
  EXPECT_EQ(records[2].energy_caused, 3 * waited);
  EXPECT_NEAR(records[2].lateness, 3.0 / 14, 1e-6);
  EXPECT_EQ(records[2].late_share, 1);
  EXPECT_EQ(records[0].late_share, 0);
}

TEST(Ranks, WhatIsWaitedIsWhatIsCausedWhateverHappens) {
  std::mt19937_64 random{5};
  for (int round = 0; round < 50; ++round) {
    Job job;
    const std::size_t ranks = 2 + random() % 6;
    for (int i = 0; i < 40; ++i) {
      std::vector<Nanoseconds> worked;
      for (std::size_t rank = 0; rank < ranks; ++rank)
        worked.push_back(static_cast<Nanoseconds>(random() % 20'000'000));
      job.step(worked);
    }
    MicroJoules waited = 0, caused = 0;
    for (const RankRecord& record : job.records(ranks)) {
      waited += record.energy_waited;
      caused += record.energy_caused;
    }
    EXPECT_EQ(waited, caused);
    EXPECT_GT(waited, 0);
  }
}

TEST(Ranks, OneThatDiesHoldsUpNobody) {
  Job job;
  job.step({kMillisecond, kMillisecond, kMillisecond});
  const ProcessKey dead = process(2);
  job.watch.take({.time = kSecond, .lane = {.process = dead, .thread = dead.pid}, .what = ProcessEnd{}});
  for (int i = 0; i < 10; ++i) job.step({kMillisecond, 2 * kMillisecond});
  const auto records = job.records(3);
  ASSERT_EQ(records.size(), 2u);
  EXPECT_EQ(records[0].steps, 10u);
}

TEST(Ranks, NumbersAreThoseThatAreStated) {
  Job job;
  job.watch.set_rank(process(0), 7);
  const ProcessKey who = process(1);
  job.watch.take({.time = 0, .lane = {.process = who, .thread = who.pid}, .what = TagMark{"rank", "3"}});
  job.step({kMillisecond, kMillisecond});
  job.step({kMillisecond, 2 * kMillisecond});
  const auto records = job.records(2);
  ASSERT_EQ(records.size(), 2u);
  EXPECT_EQ(records[0].rank, 3);
  EXPECT_EQ(records[1].rank, 7);
}

TEST(Ranks, OfTwoTheSlowerIsBehindTheOther) {
  Job job;
  for (int i = 0; i <= 20; ++i) job.step({10 * kMillisecond, 13 * kMillisecond});
  const auto records = job.records(2);
  EXPECT_NEAR(records[1].lateness, 3.0 / 14, 1e-6);
  EXPECT_NEAR(records[0].lateness, -3.0 / 14, 1e-6);
  EXPECT_EQ(records[1].late_share, 1);
}

Mark said(int rank, Nanoseconds time, decltype(Mark::what) what) {
  const ProcessKey who = process(rank);
  return {.time = time, .lane = {.process = who, .thread = who.pid}, .what = std::move(what)};
}

// Rank 0 waits a second for rank 1 to start, and then 10 ms in each of a hundred steps, all at the same power.
TEST(Ranks, JoulesOfAWaitBeforeTheFirstStepAreNotThoseOfSteps) {
  RankWatch watch;
  watch.take(said(0, 0, WaitBegin{1, "barrier"}));
  watch.take(said(0, kSecond, WaitEnd{1}));
  watch.take(said(0, kSecond, StepMark{}));
  watch.take(said(1, kSecond, StepMark{}));
  Nanoseconds now = kSecond;
  for (std::uint64_t step = 2; step < 102; ++step) {
    watch.take(said(0, now + 20 * kMillisecond, WaitBegin{step, "barrier"}));
    now += 30 * kMillisecond;
    watch.take(said(0, now, WaitEnd{step}));
    for (int rank : {0, 1}) watch.take(said(rank, now, StepMark{}));
  }
  watch.settle();
  const auto records = watch.records(now, {{process(0), {.all = 4'000'000, .waiting = 2'000'000}}});
  EXPECT_EQ(records.at(0).waited_on_others, kSecond);
  EXPECT_EQ(records.at(0).energy_waited, 1'000'000);
  // It waits on for one that hangs: that belongs to no step either.
  watch.take(said(0, now, WaitBegin{200, "barrier"}));
  const auto hanging = watch.records(now + 2 * kSecond, {{process(0), {.all = 8'000'000, .waiting = 4'000'000}}});
  EXPECT_EQ(hanging.at(0).energy_waited, 1'000'000);
  watch.take(said(0, now + 2 * kSecond, ProcessEnd{}));
  const auto killed = watch.records(now + 9 * kSecond, {{process(0), {.all = 8'000'000, .waiting = 4'000'000}}});
  EXPECT_EQ(killed.at(0).energy_waited, 1'000'000);
}

// Rank 1 waits for its data while rank 0 waits for rank 1.
TEST(Ranks, WhoWaitsForDataKeepsTheOthersWaiting) {
  RankWatch watch;
  for (int rank : {0, 1}) watch.set_rank(process(rank), rank);
  Nanoseconds now = 0;
  for (std::uint64_t step = 1; step <= 30; ++step) {
    watch.take(said(1, now, WaitBegin{2 * step, "data"}));
    watch.take(said(1, now + 30 * kMillisecond, WaitEnd{2 * step}));
    watch.take(said(0, now + 10 * kMillisecond, WaitBegin{2 * step + 1, "gradients"}));
    now += 40 * kMillisecond;
    watch.take(said(0, now, WaitEnd{2 * step + 1}));
    for (int rank : {0, 1}) watch.take(said(rank, now, StepMark{}));
  }
  watch.settle();
  const auto records = watch.records(now, {});
  EXPECT_EQ(records.at(1).waited, 0);
  EXPECT_EQ(records.at(0).waited_on_others, 29 * 30 * kMillisecond);
  EXPECT_NEAR(records.at(1).lateness, 0.75, 1e-6);
}

TEST(Ranks, AJobOfOneProcessHasNone) {
  Job job;
  for (int i = 0; i < 5; ++i) job.step({kMillisecond});
  EXPECT_TRUE(job.records(1).empty());
}

}  // namespace
}  // namespace everywatt

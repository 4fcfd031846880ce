// Slow libraries, hanging calls: in real time and with real threads.
#include "meter/side_reader.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <functional>
#include <thread>

namespace everywatt {
namespace {

using namespace std::chrono_literals;

// Held by threads that nobody waits for.
using Delay = std::shared_ptr<std::atomic<int>>;
Delay delay_of(int milliseconds) { return std::make_shared<std::atomic<int>>(milliseconds); }

// Answers with how often it was asked; a call may take its time.
class Counting final : public Source {
 public:
  explicit Counting(Delay delay_ms) : delay_ms_{std::move(delay_ms)} {}
  const Inventory& inventory() const override { return inventory_; }
  Result<void> sample(std::vector<Reading>& out) override {
    std::this_thread::sleep_for(std::chrono::milliseconds{delay_ms_->load()});
    out.push_back({.channel = 0, .raw = ++calls_});
    return {};
  }

 private:
  Delay delay_ms_;
  Inventory inventory_;
  std::uint64_t calls_ = 0;
};

Nanoseconds in(std::chrono::nanoseconds time) { return RealClock{}.now().steady + time.count(); }

SlowOpen opening(std::chrono::milliseconds delay, std::vector<Delay> delays) {
  return [=]() -> Result<std::vector<std::unique_ptr<Source>>> {
    std::this_thread::sleep_for(delay);
    std::vector<std::unique_ptr<Source>> sources;
    for (const Delay& one : delays) sources.push_back(std::make_unique<Counting>(one));
    return sources;
  };
}

TEST(SideReader, ALibraryThatStartsSlowlyHoldsUpNothingAndComesLater) {
  SideReader side;
  const Nanoseconds before = RealClock{}.now().steady;
  side.open(7, opening(150ms, {delay_of(0)}));
  side.request();
  EXPECT_TRUE(side.take_opened().empty());
  EXPECT_LT(RealClock{}.now().steady - before, 100 * kMillisecond);
  EXPECT_TRUE(side.wait(SideReader::For::openings, in(5s)));
  const auto opened = side.take_opened();
  ASSERT_EQ(opened.size(), 1u);
  EXPECT_EQ(opened[0].family, 7u);
  EXPECT_EQ(opened[0].sources->size(), 1u);
}

TEST(SideReader, ALibraryThatFailsToStartSaysWhy) {
  SideReader side;
  side.open(0, []() -> Result<std::vector<std::unique_ptr<Source>>> { return fail(Errc::denied, "not for you"); });
  ASSERT_TRUE(side.wait(SideReader::For::openings, in(5s)));
  const auto opened = side.take_opened();
  ASSERT_EQ(opened.size(), 1u);
  EXPECT_EQ(opened[0].sources.error().what, "not for you");
}

SideReader::Batch take(SideReader& side) {
  SideReader::Batch batch;
  side.take(batch);
  return batch;
}

template <class Kind>
Result<std::vector<std::unique_ptr<Source>>> one() {
  std::vector<std::unique_ptr<Source>> sources;
  sources.push_back(std::make_unique<Kind>());
  return sources;
}

// Says which of its readings were quick ones.
class Telling final : public Source {
 public:
  const Inventory& inventory() const override { return inventory_; }
  Result<void> sample(std::vector<Reading>& out) override {
    out.push_back({.channel = 0, .raw = 0});
    return {};
  }
  Result<void> sample_quickly(std::vector<Reading>& out) override {
    out.push_back({.channel = 0, .raw = 1});
    return {};
  }

 private:
  Inventory inventory_;
};

TEST(SideReader, OfAHuntsReadingsAllButTheLastAreQuick) {
  SideReader side;
  side.open(0, one<Telling>);
  ASSERT_TRUE(side.wait(SideReader::For::openings, in(5s)));
  side.request(SideReader::Look::hunt);
  std::vector<std::uint64_t> quick;
  const Nanoseconds deadline = in(5s);
  while (quick.size() < SideReader::kHuntReads && RealClock{}.now().steady < deadline) {
    std::this_thread::sleep_for(10ms);
    for (const Reading& reading : take(side).readings) quick.push_back(reading.raw);
  }
  std::vector<std::uint64_t> expected(SideReader::kHuntReads, 1);
  expected.back() = 0;
  EXPECT_EQ(quick, expected);
  side.request();
  ASSERT_TRUE(side.wait(SideReader::For::readings, in(5s)));
  EXPECT_EQ(take(side).readings.at(0).raw, 0u);
}

// Says what kind of reading each was.
class Pacing final : public Source {
 public:
  enum : std::uint64_t { whole, on_pace };
  const Inventory& inventory() const override { return inventory_; }
  Result<void> sample(std::vector<Reading>& out) override {
    out.push_back({.channel = whole});
    return {};
  }
  Result<void> sample_on_pace(std::uint64_t tick, std::vector<Reading>& out) override {
    std::this_thread::sleep_for(30ms);
    out.push_back({.channel = on_pace, .raw = tick});
    return {};
  }

 private:
  Inventory inventory_;
};

TEST(SideReader, WhatIsAskedForIsWholeEvenWhileOneIsReadOnPace) {
  SideReader side;
  side.open(0, one<Pacing>);
  ASSERT_TRUE(side.wait(SideReader::For::openings, in(5s)));
  side.keep_pace(100 * kMillisecond);
  std::this_thread::sleep_for(350ms);
  const Nanoseconds now = RealClock{}.now().steady;
  std::this_thread::sleep_for(
      std::chrono::nanoseconds{next_on_grid(now, 100 * kMillisecond) + 10 * kMillisecond - now});
  side.request();  // most likely while it is being read
  ASSERT_TRUE(side.wait(SideReader::For::readings, in(5s)));
  const auto [calls, readings] = take(side);
  ASSERT_GE(calls.size(), 3u);
  ASSERT_EQ(readings.size(), calls.size());  // one each
  EXPECT_EQ(readings.back().channel, Pacing::whole);
  std::vector<std::uint64_t> ticks;
  for (std::size_t i = 0; i < calls.size(); ++i) {
    if (readings[i].channel != Pacing::on_pace) continue;
    ticks.push_back(readings[i].raw);
    EXPECT_LE(static_cast<Nanoseconds>(readings[i].raw), calls[i].stamp.before / (100 * kMillisecond));
  }
  EXPECT_TRUE(std::ranges::is_sorted(ticks, std::less{}));
}

TEST(SideReader, WhoeverWaitsWhileOneGetsStuckHasTheOthersSoon) {
  const Delay hanging = delay_of(3000);
  SideReader side;
  side.open(0, opening(0ms, {hanging, delay_of(0), delay_of(0)}));
  ASSERT_TRUE(side.wait(SideReader::For::openings, in(5s)));
  const Nanoseconds asked = RealClock{}.now().steady;
  side.request();
  EXPECT_TRUE(side.wait(SideReader::For::readings, in(2s)));
  EXPECT_LT(RealClock{}.now().steady - asked, kSecond);
  EXPECT_EQ(take(side).calls.size(), 2u);
  *hanging = 0;
}

TEST(SideReader, WhatWasAskedForIsThereAtTheNextTickWithItsStamps) {
  SideReader side;
  side.open(0, opening(0ms, {delay_of(5), delay_of(0)}));
  ASSERT_TRUE(side.wait(SideReader::For::openings, in(5s)));
  const Nanoseconds asked = RealClock{}.now().steady;
  side.request();
  ASSERT_TRUE(side.wait(SideReader::For::readings, in(5s)));
  const auto taken = take(side).calls;
  ASSERT_EQ(taken.size(), 2u);
  for (const auto& one : taken) {
    EXPECT_GE(one.stamp.before, asked);
    EXPECT_EQ(one.readings, 1u);
  }
  EXPECT_GE(taken[0].stamp.after - taken[0].stamp.before, 5 * kMillisecond);
  EXPECT_TRUE(take(side).calls.empty());
}

TEST(SideReader, ACallThatHangsTouchesNoOtherAndComesBack) {
  const Delay hanging = delay_of(1500);
  SideReader side;
  side.open(0, opening(0ms, {hanging, delay_of(0)}));
  ASSERT_TRUE(side.wait(SideReader::For::openings, in(5s)));
  const Source* const hung = (*side.take_opened()[0].sources)[0];
  int of_others = 0;
  for (int tick = 0; tick < 10; ++tick) {
    side.request();
    std::this_thread::sleep_for(100ms);
    for (const auto& one : take(side).calls) of_others += one.source != hung;
  }
  EXPECT_GE(of_others, 5);  // all but those until it was seen to be stuck
  *hanging = 0;
  ASSERT_TRUE(side.wait(SideReader::For::readings, in(5s)));
  std::this_thread::sleep_for(700ms);
  side.request();
  ASSERT_TRUE(side.wait(SideReader::For::readings, in(5s)));
  int of_hung = 0;
  for (const auto& one : take(side).calls) of_hung += one.source == hung;
  EXPECT_EQ(of_hung, 2);  // the long one and the one after it
}

TEST(SideReader, KeepsThePaceOfTheTicksByItself) {
  constexpr Nanoseconds kPeriod = 50 * kMillisecond;
  SideReader side;
  side.open(0, opening(0ms, {delay_of(0)}));
  ASSERT_TRUE(side.wait(SideReader::For::openings, in(5s)));
  side.keep_pace(kPeriod);
  std::this_thread::sleep_for(525ms);
  side.keep_pace(0);
  const auto taken = take(side).calls;
  EXPECT_GE(taken.size(), 6u);  // the first at once, then ten: some less on a machine that has other things to do
  EXPECT_LE(taken.size(), 12u);
  for (std::size_t i = 1; i < taken.size(); ++i) {
    EXPECT_GT(taken[i].stamp.before / kPeriod, taken[i - 1].stamp.before / kPeriod) << "one a tick";
  }
  std::this_thread::sleep_for(100ms);
  EXPECT_TRUE(take(side).calls.empty());
}

TEST(SideReader, WhereAPacedReaderIsStuckTheNextLookHasAnotherTakeOver) {
  SideReader side;
  side.open(0, opening(0ms, {delay_of(2000), delay_of(0)}));
  ASSERT_TRUE(side.wait(SideReader::For::openings, in(5s)));
  side.keep_pace(20 * kMillisecond);
  std::this_thread::sleep_for(400ms);
  EXPECT_TRUE(take(side).calls.empty());
  side.keep_pace(20 * kMillisecond);
  std::this_thread::sleep_for(400ms);
  EXPECT_GE(take(side).calls.size(), 5u);
}

TEST(SideReader, WhoIsHeldUpIsSaidUntilItIsStuck) {
  SideReader side;
  side.open(0, opening(0ms, {delay_of(2000), delay_of(0)}));
  ASSERT_TRUE(side.wait(SideReader::For::openings, in(5s)));
  EXPECT_FALSE(side.is_held_up()) << "nothing is read";
  side.request();
  bool was_held_up = false;
  const Nanoseconds deadline = in(1s);
  while (!was_held_up && RealClock{}.now().steady < deadline) {
    std::this_thread::sleep_for(10ms);
    was_held_up = side.is_held_up();
  }
  EXPECT_TRUE(was_held_up);
  std::this_thread::sleep_for(300ms);
  EXPECT_FALSE(side.is_held_up()) << "a look has another take over: no more is to be done";
}

TEST(SideReader, TheEndDoesNotWaitForWhatHangs) {
  SideReader side;
  side.open(0, opening(0ms, {delay_of(3000)}));
  side.open(1, opening(3000ms, {delay_of(0)}));
  std::this_thread::sleep_for(50ms);
  side.request();
  std::this_thread::sleep_for(300ms);
  const Nanoseconds before = RealClock{}.now().steady;
  EXPECT_TRUE(side.wait(SideReader::For::readings, in(1s)));
  EXPECT_LT(RealClock{}.now().steady - before, 200 * kMillisecond);
}

}  // namespace
}  // namespace everywatt

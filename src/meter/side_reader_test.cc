// Slow libraries, hanging calls: in real time and with real threads.
#include "meter/side_reader.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <string>
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

template <class Kind, class... Arguments>
SlowDevice device_of(std::string name, Arguments... arguments) {
  return {std::move(name), [=]() -> Result<std::unique_ptr<Source>> { return std::make_unique<Kind>(arguments...); }};
}

SlowOpen opening(std::chrono::milliseconds delay, std::vector<Delay> delays) {
  return [=]() -> Result<std::vector<SlowDevice>> {
    std::this_thread::sleep_for(delay);
    std::vector<SlowDevice> devices;
    for (const Delay& one : delays) devices.push_back(device_of<Counting>(std::to_string(devices.size()), one));
    return devices;
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
  ASSERT_EQ(opened.size(), 2u) << "the library, its device";
  EXPECT_EQ(opened[0].family, 7u);
  EXPECT_EQ(opened[0].device, "");
  EXPECT_EQ(opened[1].family, 7u);
  EXPECT_EQ(opened[1].device, "0");
  EXPECT_NE(*opened[1].source, nullptr);
}

TEST(SideReader, ALibraryThatFailsToStartSaysWhy) {
  SideReader side;
  side.open(0, []() -> Result<std::vector<SlowDevice>> { return fail(Errc::denied, "not for you"); });
  ASSERT_TRUE(side.wait(SideReader::For::openings, in(5s)));
  const auto opened = side.take_opened();
  ASSERT_EQ(opened.size(), 1u);
  EXPECT_EQ(opened[0].source.error().what, "not for you");
}

// The first takes its time to open; the second comes up without it.
TEST(SideReader, ADeviceThatDoesNotAnswerHoldsUpNoOtherAndComesWhenItDoes) {
  const Delay hanging = delay_of(1500);
  SideReader side;
  side.open(0, [=]() -> Result<std::vector<SlowDevice>> {
    SlowDevice slow = device_of<Counting>("slow", delay_of(0));
    slow.open = [hanging, open = slow.open] {
      std::this_thread::sleep_for(std::chrono::milliseconds{hanging->load()});
      return open();
    };
    return std::vector{slow, device_of<Counting>("sound", delay_of(0))};
  });
  const Nanoseconds begun = RealClock{}.now().steady;
  std::map<std::string, Nanoseconds> came;
  while (came.size() < 2 && RealClock{}.now().steady < begun + 5 * kSecond) {
    for (const SideReader::Opened& opened : side.take_opened()) {
      if (!opened.device.empty()) came[opened.device] = RealClock{}.now().steady - begun;
    }
    std::this_thread::sleep_for(20ms);
  }
  EXPECT_LT(came.at("sound"), kSecond);
  EXPECT_GE(came.at("slow"), 1500 * kMillisecond);
  EXPECT_TRUE(side.missing().empty());
}

TEST(SideReader, ADeviceThatRefusesIsAskedAgain) {
  const auto is_lost = std::make_shared<std::atomic<bool>>(true);
  SideReader side;
  side.open(0, [=]() -> Result<std::vector<SlowDevice>> {
    SlowDevice device = device_of<Counting>("lost", delay_of(0));
    device.open = [is_lost, open = device.open]() -> Result<std::unique_ptr<Source>> {
      return is_lost->load() ? fail(Errc::io, "GPU is lost") : open();
    };
    return std::vector{device};
  });
  ASSERT_TRUE(side.wait(SideReader::For::openings, in(5s)));
  ASSERT_EQ(side.take_opened().size(), 2u) << "the library, the refusal";
  ASSERT_EQ(side.missing().size(), 1u);
  EXPECT_EQ(side.missing()[0].refusal->what, "GPU is lost");
  EXPECT_FALSE(side.is_opening());
  *is_lost = false;
  const Nanoseconds deadline = in(5s);
  std::vector<SideReader::Opened> opened;
  while (opened.empty() && RealClock{}.now().steady < deadline) {
    std::this_thread::sleep_for(50ms);
    opened = side.take_opened();
  }
  ASSERT_EQ(opened.size(), 1u);
  EXPECT_EQ(opened[0].device, "lost");
  EXPECT_TRUE(opened[0].source.has_value());
}

SideReader::Batch take(SideReader& side) {
  SideReader::Batch batch;
  side.take(batch);
  return batch;
}

template <class Kind>
Result<std::vector<SlowDevice>> one() {
  return std::vector{device_of<Kind>("0")};
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

// A register that is renewed at every fourth reading.
class Moving final : public Source {
 public:
  const Inventory& inventory() const override { return inventory_; }
  Result<void> sample(std::vector<Reading>& out) override {
    out.push_back({.channel = 0, .raw = readings_++ / 4});
    return {};
  }

 private:
  Inventory inventory_;
  std::uint64_t readings_ = 0;
};

TEST(SideReader, TheFirstHuntTellsHowOftenARegisterIsRenewed) {
  SideReader side;
  side.open(0, one<Moving>);
  ASSERT_TRUE(side.wait(SideReader::For::openings, in(5s)));
  for (const std::size_t expected : {std::size_t{10}, std::size_t{4}}) {
    side.request(SideReader::Look::hunt);
    std::size_t readings = 0;
    const Nanoseconds deadline = in(1s);
    while (RealClock{}.now().steady < deadline) {
      std::this_thread::sleep_for(10ms);
      readings += take(side).readings.size();
    }
    EXPECT_EQ(readings, expected);
  }
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
  const Source* const hung = *side.take_opened().at(1).source;
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

// One ring in our own memory: what its threads write and what its reader makes of it.
#include <gmock/gmock.h>

#include <bit>
#include <memory>
#include <thread>

#include "marks/name_table.h"
#include "marks/ring_reader.h"
#include "marks/ring_writer.h"

namespace everywatt::marks {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr Nanoseconds kNow = 1000 * kSecond;

class RingTest : public ::testing::Test {
 protected:
  RingTest() { write_start(); }

  void write_start() {
    ring_->header.magic = kRingMagic;
    ring_->header.version = kVersion;
    ring_->header.slot_count = kSlotCount;
    ring_->header.slot_bytes = sizeof(Slot);
    ring_->header.names_bytes = kNamesBytes;
  }

  RingReader open() { return *RingReader::open(*ring_, {.process = {.pid = 7, .start_ticks = 70}, .own_pid = 7}); }
  std::uint64_t step(std::uint64_t number, std::uint32_t thread = 7) {
    return write_mark(*ring_, {.time = kNow, .thread = thread, .kind = Kind::step, .value = number});
  }
  std::uint64_t name(std::string_view text) { return names_.add(text.data(), text.size(), ring_.get()); }

  // The numbers of the steps that are read, or the error's text alone.
  static std::vector<std::uint64_t> steps_of(RingReader& reader, Nanoseconds now = kNow,
                                             Writers writers = Writers::alive) {
    std::vector<std::uint64_t> numbers;
    const auto read = reader.drain(now, writers, kSlotCount, [&](const Mark& mark) {
      numbers.push_back(std::get<StepMark>(mark.what).number.value_or(0));
    });
    EXPECT_TRUE(read) << read.error().what;
    return numbers;
  }
  static std::string error_of(RingReader& reader) {
    const auto read = reader.drain(kNow, Writers::alive, kSlotCount, [](const Mark&) {});
    return read ? "" : read.error().what;
  }

  std::unique_ptr<Ring> ring_ = std::make_unique<Ring>();
  NameTable names_;
};

TEST_F(RingTest, GivesBackWhatWasWrittenInItsOrder) {
  RingReader reader = open();
  EXPECT_EQ(step(1), 1u);
  EXPECT_EQ(step(2), 2u);
  EXPECT_THAT(steps_of(reader), ::testing::ElementsAre(1, 2));
  EXPECT_TRUE(reader.is_drained());
  EXPECT_THAT(steps_of(reader), IsEmpty());
}

TEST_F(RingTest, CountsWhatFindsNoRoomAndOverwritesNothing) {
  RingReader reader = open();
  for (std::uint64_t i = 0; i < kSlotCount; ++i) ASSERT_NE(step(i), 0u);
  for (std::uint64_t i = 0; i < 1000; ++i) ASSERT_EQ(step(kSlotCount + i), 0u);
  const auto numbers = steps_of(reader);
  ASSERT_EQ(numbers.size(), kSlotCount);
  for (std::uint64_t i = 0; i < kSlotCount; ++i) ASSERT_EQ(numbers[i], i);
  EXPECT_EQ(reader.dropped(), 1000u);
  EXPECT_NE(step(1), 0u) << "it has room again";
}

TEST_F(RingTest, ALongTagGoesRoundTheEndOfTheRing) {
  RingReader reader = open();
  for (std::uint64_t i = 0; i + 3 < kSlotCount; ++i) step(i);
  steps_of(reader);
  const std::string value(1000, 'v');
  const auto key = static_cast<std::uint32_t>(name("key"));
  write_long_mark(*ring_, {.time = kNow, .thread = 7, .kind = Kind::tag, .name = key, .value = value.size()},
                  {.bytes = value.data(), .size = value.size()});
  std::vector<Mark> heard;
  ASSERT_TRUE(reader.drain(kNow, Writers::alive, kSlotCount, [&](const Mark& mark) { heard.push_back(mark); }));
  ASSERT_EQ(heard.size(), 1u);
  EXPECT_EQ(std::get<TagMark>(heard[0].what), (TagMark{.key = "key", .value = value}));
  EXPECT_TRUE(reader.is_drained());
}

// Four threads of so many steps each beside a reader; how many steps were read, each thread's in order.
std::uint64_t read_beside_four_threads(Ring& ring, RingReader& reader, std::uint64_t each) {
  std::vector<std::jthread> threads;
  for (std::uint32_t thread = 1; thread <= 4; ++thread) {
    threads.emplace_back([&ring, thread, each] {
      for (std::uint64_t i = 0; i < each; ++i) {
        write_mark(ring, {.time = kNow, .thread = thread, .kind = Kind::step, .value = i});
      }
    });
  }
  std::uint64_t read = 0;
  std::array<std::uint64_t, 5> next{};
  const auto take = [&](const Mark& mark) {
    const std::uint64_t number = *std::get<StepMark>(mark.what).number;
    EXPECT_GE(number, next.at(static_cast<std::size_t>(mark.lane.thread)));
    next.at(static_cast<std::size_t>(mark.lane.thread)) = number + 1;
    ++read;
  };
  while (read + reader.dropped() < 4 * each) {
    EXPECT_TRUE(reader.drain(kNow, Writers::alive, kSlotCount, take));
  }
  return read;
}

TEST_F(RingTest, FourThreadsAndAReaderLoseNothingUncounted) {
  constexpr std::uint64_t kEach = 250'000;
  RingReader reader = open();
  const std::uint64_t read = read_beside_four_threads(*ring_, reader, kEach);
  EXPECT_EQ(read + reader.dropped(), 4 * kEach);
  EXPECT_EQ(reader.torn(), 0u);
  EXPECT_TRUE(reader.is_drained());
}

TEST_F(RingTest, NothingIsDroppedWhereThereIsRoom) {
  constexpr std::uint64_t kEach = kSlotCount / 4;
  for (int round = 0; round < 20; ++round) {
    ring_ = std::make_unique<Ring>();
    write_start();
    RingReader reader = open();
    EXPECT_EQ(read_beside_four_threads(*ring_, reader, kEach), 4 * kEach);
  }
}

TEST_F(RingTest, APlaceThatIsTakenHoldsUpTheOthersForFiveSeconds) {
  RingReader reader = open();
  std::uint64_t taken = 0;
  step(1);
  ASSERT_TRUE(reserve(*ring_, 2, taken));
  step(2);
  EXPECT_THAT(steps_of(reader), ::testing::ElementsAre(1));
  EXPECT_THAT(steps_of(reader, kNow + 4 * kSecond), IsEmpty());
  EXPECT_THAT(steps_of(reader, kNow + 5 * kSecond), ::testing::ElementsAre(2));
  EXPECT_EQ(reader.torn(), 2u);
}

TEST_F(RingTest, APlaceIsFilledLateInAProcessThatWasStopped) {
  RingReader reader = open();
  std::uint64_t taken = 0;
  ASSERT_TRUE(reserve(*ring_, 1, taken));
  EXPECT_THAT(steps_of(reader), IsEmpty());
  EXPECT_THAT(steps_of(reader, kNow + 3600 * kSecond), IsEmpty());
  commit(*ring_, taken, Kind::step, 0, {static_cast<std::uint64_t>(kNow), 7, 1});
  EXPECT_THAT(steps_of(reader, kNow + 3600 * kSecond), ::testing::ElementsAre(1));
  EXPECT_EQ(reader.torn(), 0u);
}

TEST_F(RingTest, OfADeadProcessWhatIsNotCommittedIsPassedOver) {
  RingReader reader = open();
  std::uint64_t taken = 0;
  ASSERT_TRUE(reserve(*ring_, 1, taken));
  step(1);
  ASSERT_TRUE(reserve(*ring_, 3, taken));
  EXPECT_THAT(steps_of(reader, kNow, Writers::gone), ::testing::ElementsAre(1));
  EXPECT_EQ(reader.torn(), 4u);
  EXPECT_TRUE(reader.is_drained());
}

TEST_F(RingTest, AThreadThatWasGivenUpOnSpoilsAtMostOneMark) {
  RingReader reader = open();
  std::uint64_t taken = 0;
  ASSERT_TRUE(reserve(*ring_, 1, taken));
  for (std::uint64_t i = 1; i < kSlotCount; ++i) step(i);
  steps_of(reader);
  EXPECT_EQ(steps_of(reader, kNow + 5 * kSecond).size(), kSlotCount - 1);
  ASSERT_EQ(step(100), kSlotCount + 1) << "the same slot, a lap later";
  step(101);
  // The late thread fills in words, and has not come to its stamp.
  store(slot_at(*ring_, taken).words[2], 666, __ATOMIC_RELAXED);
  steps_of(reader, kNow + 6 * kSecond);
  EXPECT_THAT(steps_of(reader, kNow + 11 * kSecond), ::testing::ElementsAre(101));
  EXPECT_EQ(reader.torn(), 2u);
}

TEST_F(RingTest, AnotherNamespacesMainThreadIsTheMainLane) {
  RingReader reader = *RingReader::open(*ring_, {.process = {.pid = 4711, .start_ticks = 70}, .own_pid = 1});
  step(1, 1);
  step(2, 5);
  std::vector<std::int32_t> threads;
  ASSERT_TRUE(
      reader.drain(kNow, Writers::alive, kSlotCount, [&](const Mark& mark) { threads.push_back(mark.lane.thread); }));
  EXPECT_THAT(threads, ::testing::ElementsAre(4711, 5));
}

TEST_F(RingTest, AnotherVersionSaysWhatToDo) {
  ring_->header.version = 2;
  const auto reader = RingReader::open(*ring_, {});
  ASSERT_FALSE(reader);
  EXPECT_THAT(reader.error().what, HasSubstr("version 2, this everywatt reads 1: use the libeverywatt"));
}

TEST_F(RingTest, ASizeThatIsNotItsVersionsIsRefused) {
  ring_->header.slot_count = 1u << 30;
  EXPECT_FALSE(RingReader::open(*ring_, {}));
}

TEST_F(RingTest, AHeadThatIsMoreThanALapAwayIsAnError) {
  RingReader reader = open();
  ring_->header.head = kSlotCount + 1;
  EXPECT_THAT(error_of(reader), HasSubstr("head"));
}

TEST_F(RingTest, AHeadThatGoesBackIsAnError) {
  RingReader reader = open();
  step(1);
  steps_of(reader);
  ring_->header.head = 0;
  EXPECT_THAT(error_of(reader), HasSubstr("head"));
}

TEST_F(RingTest, ANameWithoutTextIsAnError) {
  RingReader reader = open();
  name("one");
  write_mark(*ring_, {.time = kNow, .thread = 7, .kind = Kind::phase_begin, .name = 2});
  EXPECT_THAT(error_of(reader), HasSubstr("name 2"));
}

TEST_F(RingTest, NamesBeyondTheirPlaceAreAnError) {
  for (const std::uint64_t end : {std::uint64_t{kNamesBytes} + 1, ~std::uint64_t{0}, std::uint64_t{5}}) {
    RingReader reader = open();
    ring_->names[0] = 200;
    ring_->header.names_end = end;
    write_mark(*ring_, {.time = kNow, .thread = 7, .kind = Kind::phase_begin, .name = 1});
    EXPECT_THAT(error_of(reader), HasSubstr("names")) << end;
  }
}

TEST_F(RingTest, AMarkThatNobodyWritesSoIsAnError) {
  const MarkHead bad[] = {
      {.time = kNow, .thread = 7, .kind = static_cast<Kind>(99)},
      {.time = kNow, .thread = 7, .kind = Kind::count, .detail = 3},
      {.time = kNow, .thread = 7, .kind = Kind::flops, .detail = 8},
      {.time = kNow, .thread = 7, .kind = Kind::flops, .value = std::bit_cast<std::uint64_t>(-1.0)},
      {.time = kNow, .thread = 7, .kind = Kind::flops, .value = 0x7ff8000000000000},
      {.time = kNow + 3600 * kSecond, .thread = 7, .kind = Kind::step},
      {.time = -1, .thread = 7, .kind = Kind::step},
      {.time = kNow, .thread = 7, .kind = Kind::tag, .name = 1, .value = ~std::uint64_t{0}},
  };
  name("known");
  for (const MarkHead& mark : bad) {
    ring_->header.head = 0;
    RingReader reader = open();
    write_mark(*ring_, mark);
    EXPECT_NE(error_of(reader), "") << static_cast<int>(mark.kind) << " " << mark.time << " " << mark.value;
  }
}

TEST_F(RingTest, ReadsAboutAsManySlotsAsItMay) {
  RingReader reader = open();
  for (std::uint64_t i = 0; i < 100; ++i) step(i);
  std::uint64_t heard = 0;
  EXPECT_EQ(*reader.drain(kNow, Writers::alive, 30, [&](const Mark&) { ++heard; }), 30u);
  EXPECT_EQ(heard, 30u);
  EXPECT_FALSE(reader.is_drained());
}

TEST_F(RingTest, TheSameTextHasOneNumberAndTakesOnePlace) {
  EXPECT_EQ(names_.find("eval", 4), 0u);
  EXPECT_EQ(name("eval"), 1u);
  EXPECT_EQ(name("train"), 2u);
  EXPECT_EQ(names_.find("eval", 4), 1u);
  EXPECT_EQ(names_.find("evaluate", 8), 0u);
  EXPECT_EQ(ring_->header.names_end, 5u + 6u);
}

TEST_F(RingTest, NamesEndWhereTheirPlaceIsFull) {
  std::uint32_t last = 0;
  for (std::uint32_t i = 0; i < kMostNames; ++i) last = static_cast<std::uint32_t>(name("n" + std::to_string(i)));
  EXPECT_EQ(last, kMostNames);
  EXPECT_EQ(name("one more"), 0u);
  EXPECT_EQ(names_.find("n4711", 5), 4712u);
}

TEST_F(RingTest, TextsAreCutBetweenCharacters) {
  EXPECT_EQ(counted_bytes("abc", 255), 3u);
  EXPECT_EQ(counted_bytes("abcdef", 4), 4u);
  EXPECT_EQ(counted_bytes("ab\xc3\xa4z", 3), 2u) << "the umlaut is two bytes";
  EXPECT_EQ(counted_bytes("\x80\x80\x80", 2), 2u) << "no characters at all";
}

}  // namespace
}  // namespace everywatt::marks

#include "store/series_codec.h"

#include <gtest/gtest.h>

#include <random>

#include "store/packed_points.h"
#include "store/series_generators.h"

namespace everywatt {
namespace {

using Points = std::vector<SeriesPoint>;
using Chance = std::mt19937_64;

Points through_chunk(const Points& points) {
  const auto chunk = encode_chunk(points);
  if (!chunk) return {};
  Points decoded;
  const auto result = decode_chunk(*chunk, decoded);
  EXPECT_TRUE(result) << result.error().what;
  return decoded;
}

// Numbers of every size, equal ones, extremes, steps and runs: what no sensor gives.
std::int64_t wild_number(Chance& chance) {
  switch (chance() % 6) {
    case 0:
      return 0;
    case 1:
      return static_cast<std::int64_t>(chance());
    case 2:
      return static_cast<std::int64_t>(chance()) >> (chance() % 64);
    case 3:
      return chance() % 2 ? INT64_MIN : INT64_MAX;
    case 4:
      return static_cast<std::int64_t>(chance() % 3) - 1;
    default:
      return 1'000'000;
  }
}

Points wild_points(Chance& chance) {
  Points points;
  const std::size_t count = 1 + chance() % (chance() % 10 ? 200 : 6000);
  const unsigned spread = static_cast<unsigned>(chance() % 50);
  std::int64_t time = chance() % 4 == 0 ? INT64_MIN : wild_number(chance) / 2;
  const bool steady = chance() % 2;
  for (std::size_t i = 0; i < count; ++i) {
    points.push_back({time, wild_number(chance)});
    const std::uint64_t step = 1 + (steady ? 99 : chance() % (std::uint64_t{1} << spread));
    if (static_cast<std::uint64_t>(INT64_MAX) - static_cast<std::uint64_t>(time) < step) break;
    time = static_cast<std::int64_t>(static_cast<std::uint64_t>(time) + step);
  }
  return points;
}

TEST(SeriesCodec, GivesBackWhatItWasGiven) {
  Chance chance{1};
  for (int round = 0; round < 300; ++round) {
    const Points points = wild_points(chance);
    ASSERT_EQ(through_chunk(points), points) << "round " << round;
    Points unpacked;
    ASSERT_TRUE(unpack_points(pack_points(points), unpacked));
    ASSERT_EQ(unpacked, points);
  }
}

TEST(SeriesCodec, GivesBackTheExtremesOfTimeAndValue) {
  const Points both_ends = {{INT64_MIN, INT64_MIN}, {0, INT64_MAX}, {INT64_MAX, INT64_MIN}};
  EXPECT_EQ(through_chunk(both_ends), both_ends);
  const Points one = {{INT64_MAX, INT64_MIN}};
  EXPECT_EQ(through_chunk(one), one);
  Points alternating;
  for (std::int64_t i = 0; i < 4096; ++i) alternating.push_back({i, i % 2 ? INT64_MAX : INT64_MIN});
  EXPECT_EQ(through_chunk(alternating), alternating);
}

TEST(SeriesCodec, RefusesNoPointsTooManyAndTimesThatDoNotAscend) {
  EXPECT_EQ(encode_chunk({}).error().code, Errc::misuse);
  EXPECT_EQ(encode_chunk(Points{{1, 1}, {1, 2}}).error().code, Errc::misuse);
  EXPECT_EQ(encode_chunk(Points{{2, 1}, {1, 2}}).error().code, Errc::misuse);
  Points many(kMostChunkPoints + 1);
  for (std::size_t i = 0; i < many.size(); ++i) many[i].time = static_cast<Nanoseconds>(i);
  EXPECT_EQ(encode_chunk(many).error().code, Errc::misuse);
  many.pop_back();
  EXPECT_EQ(through_chunk(many), many);
}

TEST(SeriesCodec, TheHeadTellsCountTimesExtremesAndSum) {
  const auto chunk = encode_chunk(Points{{10, INT64_MAX}, {20, -5}, {35, INT64_MAX}});
  ASSERT_TRUE(chunk);
  const auto head = read_chunk_head(*chunk);
  ASSERT_TRUE(head);
  EXPECT_EQ(head->count, 3u);
  EXPECT_EQ(head->first, 10);
  EXPECT_EQ(head->last, 35);
  EXPECT_EQ(head->min, -5);
  EXPECT_EQ(head->max, INT64_MAX);
  EXPECT_TRUE(head->sum == 2 * Wide{INT64_MAX} - 5);
}

TEST(SeriesCodec, TakesAtMostFivePercentOverTheEntropyAndSixtyFourBytes) {
  for (const double jitter : {0.0, 1'000.0, 50'000.0}) {
    for (std::uint64_t seed = 1; seed <= 3; ++seed) {
      for (const auto& series : testing::generated_series(kChunkPoints, jitter, seed)) {
        const auto chunk = encode_chunk(series.points);
        ASSERT_TRUE(chunk);
        const double most = 1.05 * series.entropy_bits / 8 + 64;
        EXPECT_LE(static_cast<double>(chunk->size()), most)
            << series.name << ", times' jitter " << jitter << ": entropy " << series.entropy_bits / 8 << " bytes";
        Points decoded;
        ASSERT_TRUE(decode_chunk(*chunk, decoded)) << series.name;
        EXPECT_EQ(decoded, series.points) << series.name;
      }
    }
  }
}

TEST(SeriesCodec, TimesThatMissTicksCostLittleMore) {
  Chance chance{4};
  const auto grid = testing::ticks(kChunkPoints + 41, 50'000, chance);
  Points whole, missing;
  for (std::size_t i = 0; i < grid.times.size(); ++i) {
    if (i < kChunkPoints) whole.push_back({grid.times[i], 5});
    if (i % 100 != 7) missing.push_back({grid.times[i], 5});
  }
  ASSERT_GE(missing.size(), kChunkPoints - 1);
  missing.resize(kChunkPoints - 1);
  EXPECT_EQ(through_chunk(missing), missing);
  // 41 steps of one tick more: a few bytes each, and the jitter of the others as before.
  EXPECT_LE(encode_chunk(missing)->size(), encode_chunk(whole)->size() + 41 * 8);
}

TEST(SeriesCodec, NumbersThatAreMultiplesOfOneCostTheirQuotients) {
  Chance chance{5};
  Points plain, scaled;
  for (std::size_t i = 0; i < kChunkPoints; ++i) {
    const auto value = static_cast<std::int64_t>(chance() % 50);
    plain.push_back({static_cast<Nanoseconds>(i), value});
    scaled.push_back({static_cast<Nanoseconds>(i) * 1'000'000, value * 61'035});
  }
  EXPECT_LE(encode_chunk(scaled)->size(), encode_chunk(plain)->size() + 24);
  EXPECT_EQ(through_chunk(scaled), scaled);
}

TEST(SeriesCodec, AnyBytesGivePointsOrAreMalformed) {
  Chance chance{6};
  for (int round = 0; round < 3000; ++round) {
    auto bytes = *encode_chunk(wild_points(chance));
    if (bytes.size() > 4000) continue;
    for (std::uint64_t change = 0; change <= chance() % 4; ++change) {
      const std::size_t at = chance() % bytes.size();
      switch (chance() % 3) {
        case 0:
          bytes[at] = static_cast<char>(chance());
          break;
        case 1:
          bytes.resize(at + 1);
          break;
        default:
          bytes.insert(at, 1, static_cast<char>(chance()));
      }
    }
    Points decoded;
    const auto result = decode_chunk(bytes, decoded);
    if (!result) {
      EXPECT_EQ(result.error().code, Errc::malformed);
      EXPECT_TRUE(decoded.empty());
    } else {
      EXPECT_TRUE(encode_chunk(decoded));
    }
    Points unpacked;
    (void)unpack_points(bytes, unpacked);
  }
}

TEST(SeriesCodec, EveryTruncationIsMalformed) {
  Points points;
  Chance chance{7};
  for (std::int64_t i = 0; i < 100; ++i)
    points.push_back(
        {i * 1000 + static_cast<std::int64_t>(chance() % 100), static_cast<std::int64_t>(chance() % 1000)});
  const auto chunk = *encode_chunk(points);
  for (std::size_t size = 0; size < chunk.size(); ++size) {
    Points decoded;
    EXPECT_FALSE(decode_chunk(std::string_view{chunk}.substr(0, size), decoded)) << size;
  }
  Points decoded;
  EXPECT_FALSE(decode_chunk(chunk + '\0', decoded));
}

}  // namespace
}  // namespace everywatt

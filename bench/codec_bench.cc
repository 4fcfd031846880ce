// The series codec on series whose entropy is known: codec_bench POINTS JITTER_NS SEED.
// One JSON object a line for each series: its name, entropy and packed size, the time that packing and
// unpacking took, and (with --points) the points themselves, for a peer to store.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <span>
#include <string>
#include <vector>

#include "store/series_codec.h"
#include "store/series_generators.h"

namespace {

using namespace everywatt;

std::int64_t nanoseconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now() - start).count();
}

struct Packed {
  std::size_t bytes = 0;
  std::int64_t encode_ns = 0;
  std::int64_t decode_ns = 0;
};

// In chunks as the ledger cuts them. What does not come back as it went in is no figure.
Result<Packed> pack(const std::vector<SeriesPoint>& points) {
  Packed packed;
  std::vector<std::string> chunks;
  const auto start = std::chrono::steady_clock::now();
  for (std::span<const SeriesPoint> rest{points}; !rest.empty();) {
    const auto part = rest.first(std::min(rest.size(), kChunkPoints));
    TRY(chunks.emplace_back(), encode_chunk(part));
    packed.bytes += chunks.back().size();
    rest = rest.subspan(part.size());
  }
  packed.encode_ns = nanoseconds_since(start);
  std::vector<SeriesPoint> back;
  const auto middle = std::chrono::steady_clock::now();
  for (const std::string& chunk : chunks) CHECK(decode_chunk(chunk, back));
  packed.decode_ns = nanoseconds_since(middle);
  if (back != points) return fail(Errc::malformed, "what came back is not what went in");
  return packed;
}

void print_numbers(const char* name, const std::vector<SeriesPoint>& points, std::int64_t SeriesPoint::* member) {
  std::printf(",\"%s\":[", name);
  for (std::size_t i = 0; i < points.size(); ++i) {
    std::printf("%s%lld", i ? "," : "", static_cast<long long>(points[i].*member));
  }
  std::printf("]");
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 4) {
    std::fputs("usage: codec_bench POINTS JITTER_NS SEED [--points]\n", stderr);
    return 2;
  }
  const bool with_points = argc > 4 && std::string{argv[4]} == "--points";
  const auto count = static_cast<std::size_t>(std::strtoull(argv[1], nullptr, 10));
  for (const auto& series : everywatt::testing::generated_series(count, std::strtod(argv[2], nullptr),
                                                                 std::strtoull(argv[3], nullptr, 10))) {
    const auto packed = pack(series.points);
    if (!packed) {
      std::fprintf(stderr, "codec_bench: %s: %s\n", series.name.c_str(), packed.error().what.c_str());
      return 1;
    }
    std::printf(
        "{\"name\":\"%s\",\"points\":%zu,\"chunks\":%zu,\"entropy_bytes\":%.1f,\"bytes\":%zu,\"encode_ns\":%lld,"
        "\"decode_ns\":%lld",
        series.name.c_str(), count, (count + kChunkPoints - 1) / kChunkPoints, series.entropy_bits / 8, packed->bytes,
        static_cast<long long>(packed->encode_ns), static_cast<long long>(packed->decode_ns));
    if (with_points) {
      print_numbers("times", series.points, &SeriesPoint::time);
      print_numbers("values", series.points, &SeriesPoint::value);
    }
    std::puts("}");
  }
  return 0;
}

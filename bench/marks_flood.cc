// marks_flood SECONDS: four threads that mark 250,000 times a second each, and how many marks were made and dropped.
#include <cstdio>
#include <cstdlib>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "everywatt.h"

namespace {

using namespace everywatt;

constexpr int kThreads = 4;
constexpr long kRate = 250'000;  // of each, in bursts of a millisecond
constexpr long kBurst = kRate / 1000;

void speak(long bursts, Nanoseconds start) {
  for (long burst = 0; burst < bursts; ++burst) {
    for (long i = 0; i < kBurst; ++i) everywatt_count(EVERYWATT_SAMPLES, 1);
    const Nanoseconds ahead = start + (burst + 1) * kMillisecond - RealClock{}.now().steady;
    if (ahead > 0) std::this_thread::sleep_for(std::chrono::nanoseconds{ahead});
  }
}

}  // namespace

int main(int argc, char** argv) {
  const long bursts = (argc > 1 ? std::atol(argv[1]) : 1) * 1000;
  everywatt_open(nullptr);
  const Nanoseconds start = RealClock{}.now().steady;
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < kThreads; ++i) threads.emplace_back(speak, bursts, start);
  }
  const double seconds = static_cast<double>(RealClock{}.now().steady - start) / kSecond;
  std::printf("{\"seconds\": %.2f, \"made\": %ld, \"dropped\": %llu}\n", seconds, kThreads * bursts * kBurst,
              static_cast<unsigned long long>(everywatt_dropped()));
}

// Pi by throwing darts, on four threads that wait for one another after each
// round. Each says what it does; a phase ends where its scope ends.
//
//   c++ -std=c++20 marks.cc $(pkg-config --cflags --libs everywatt) -o marks
#include <everywatt.h>

#include <barrier>
#include <cstdint>
#include <cstdio>
#include <numeric>
#include <random>
#include <thread>
#include <vector>

namespace {

constexpr int kThreads = 4;
constexpr int kRounds = 5;
constexpr std::uint64_t kDarts = 100'000;

class Phase {
 public:
  explicit Phase(const char* name) : span_{everywatt_phase_begin_text(name)} {}
  ~Phase() { everywatt_phase_end(span_); }
  Phase(const Phase&) = delete;
  Phase& operator=(const Phase&) = delete;

 private:
  everywatt_span span_;
};

std::uint64_t throw_darts(std::mt19937_64& chance) {
  const Phase phase{"throw"};
  std::uniform_real_distribution<double> side{-1, 1};
  std::uint64_t hits = 0;
  for (std::uint64_t i = 0; i < kDarts; ++i) {
    const double x = side(chance), y = side(chance);
    hits += x * x + y * y <= 1;
  }
  everywatt_count(EVERYWATT_SAMPLES, kDarts);
  return hits;
}

void play(unsigned seed, std::uint64_t& hits, std::barrier<>& all) {
  std::mt19937_64 chance{seed};
  for (int round = 0; round < kRounds; ++round) {
    hits += throw_darts(chance);
    const everywatt_span wait = everywatt_wait_begin_text("barrier");
    all.arrive_and_wait();
    everywatt_wait_end(wait);
    everywatt_step(round);
  }
}

}  // namespace

int main() {
  const Phase phase{"pi"};
  std::barrier<> all{kThreads};
  std::vector<std::uint64_t> hits(kThreads, 0);
  {
    std::vector<std::jthread> threads;
    for (unsigned i = 0; i < kThreads; ++i) threads.emplace_back([&, i] { play(i, hits[i], all); });
  }
  const auto sum = static_cast<double>(std::accumulate(hits.begin(), hits.end(), std::uint64_t{0}));
  const double pi = 4 * sum / (kThreads * kRounds * static_cast<double>(kDarts));
  everywatt_metric_text("pi", pi, -1);
  std::printf("pi is about %.4f\n", pi);
}

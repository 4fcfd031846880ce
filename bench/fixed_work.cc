// A CPU-bound job of a fixed amount of work: fixed_work ROUNDS [THREADS].
// Each thread does ROUNDS steps of a generator whose next value needs the last
// one, so that nothing but CPU time decides how long it takes. Prints the
// nanoseconds from the first thread's start to the last one's end; with
// ROUNDS = 0 it works until it is killed.
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <thread>
#include <vector>

namespace {

// xorshift64 of G. Marsaglia, "Xorshift RNGs", Journal of Statistical Software 8(14), 2003.
std::uint64_t step(std::uint64_t x) {
  x ^= x << 13;
  x ^= x >> 7;
  return x ^ x << 17;
}

std::uint64_t work(std::uint64_t rounds, std::uint64_t seed) {
  std::uint64_t value = seed;
  for (std::uint64_t i = 0; rounds == 0 || i < rounds; ++i) value = step(value);
  return value;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fputs("usage: fixed_work ROUNDS [THREADS]\n", stderr);
    return 2;
  }
  const std::uint64_t rounds = std::strtoull(argv[1], nullptr, 10);
  const std::size_t count = argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 1;
  std::vector<std::uint64_t> values(count);
  const auto start = std::chrono::steady_clock::now();
  {
    std::vector<std::jthread> threads;
    for (std::size_t i = 0; i < count; ++i) {
      threads.emplace_back([&, i] { values[i] = work(rounds, i + 1); });
    }
  }
  const std::chrono::nanoseconds took = std::chrono::steady_clock::now() - start;
  std::uint64_t all = 0;
  for (const std::uint64_t value : values) all ^= value;  // the work must not be optimised away
  std::printf("%lld %llx\n", static_cast<long long>(took.count()), static_cast<unsigned long long>(all));
}

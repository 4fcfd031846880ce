// What a mark costs the job: marks_bench ROUNDS SOCKET prints nanoseconds of each kind
// of mark, one figure a round, as {"kind": [ns, …]}. A supervisor listens and
// empties the ring between rounds, so that no mark finds it full.
#include <everywatt.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "marks/mark_server.h"

namespace {

using namespace everywatt;

constexpr int kMarks = 2000;
constexpr int kThreads = 4;

struct Contest {
  const char* name;
  int marks;  // in one call of `run`
  std::function<void()> run;
};

Nanoseconds now() { return RealClock{}.now().steady; }

void on_all_threads() {
  std::vector<std::jthread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([] {
      for (int j = 0; j < kMarks; ++j) everywatt_step(j);
    });
  }
}

std::vector<Contest> contests() {
  const everywatt_name name = everywatt_intern("name");
  return {
      {"the clock alone", kMarks,
       [] {
         for (int i = 0; i < kMarks; ++i) {
           timespec time{};
           ::clock_gettime(CLOCK_MONOTONIC, &time);
         }
       }},
      {"phase, begin and end", 2 * kMarks,
       [=] {
         for (int i = 0; i < kMarks; ++i) everywatt_phase_end(everywatt_phase_begin(name));
       }},
      {"phase by text, begin and end", 2 * kMarks,
       [] {
         for (int i = 0; i < kMarks; ++i) everywatt_phase_end(everywatt_phase_begin_text("evaluation"));
       }},
      {"step", kMarks,
       [] {
         for (int i = 0; i < kMarks; ++i) everywatt_step(i);
       }},
      {"metric of a step", kMarks,
       [=] {
         for (int i = 0; i < kMarks; ++i) everywatt_metric(name, i, i);
       }},
      {"tag of 20 bytes", kMarks,
       [] {
         for (int i = 0; i < kMarks; ++i) everywatt_tag("optimizer", "stochastic gradients");
       }},
      {"count", kMarks,
       [] {
         for (int i = 0; i < kMarks; ++i) everywatt_count(EVERYWATT_TOKENS, 4096);
       }},
      {"step, four threads at once (threads' start and end included)", kThreads * kMarks, on_all_threads},
  };
}

int measure(int rounds, const std::filesystem::path& path) {
  auto server = marks::MarkServer::listen(path);
  if (!server) {
    std::fprintf(stderr, "marks_bench: %s\n", server.error().what.c_str());
    return 1;
  }
  if (everywatt_open(path.c_str()) != EVERYWATT_IS_OPEN) {
    std::fprintf(stderr, "marks_bench: %s\n", everywatt_state_text(everywatt_current_state()));
    return 1;
  }
  const std::vector<Contest> all = contests();
  std::vector<std::vector<double>> nanoseconds(all.size());
  for (int round = 0; round < rounds; ++round) {
    for (std::size_t i = 0; i < all.size(); ++i) {
      const Nanoseconds begin = now();
      all[i].run();
      nanoseconds[i].push_back(static_cast<double>(now() - begin) / all[i].marks);
      for (const std::string& line : server->accept_and_drain(now(), [](const Mark&) {})) std::puts(line.c_str());
    }
  }
  if (everywatt_dropped() != 0) return 1;
  for (std::size_t i = 0; i < all.size(); ++i) {
    std::printf("%s\"%s\": [", i ? ", " : "{", all[i].name);
    for (std::size_t j = 0; j < nanoseconds[i].size(); ++j) std::printf("%s%.2f", j ? ", " : "", nanoseconds[i][j]);
    std::printf("]");
  }
  std::puts("}");
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fputs("usage: marks_bench ROUNDS SOCKET\n", stderr);
    return 2;
  }
  return measure(std::atoi(argv[1]), argv[2]);
}

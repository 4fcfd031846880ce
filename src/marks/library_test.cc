// Jobs that mark through everywatt.h, and what the supervisor hears of them.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <cmath>
#include <fstream>
#include <thread>

#include "marks/marks_under_test.h"
#include "marks/ring_layout.h"

namespace everywatt::marks {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using testing::Signal;

using Library = testing::Marks;

TEST_F(Library, EachKindOfMarkArrivesAsItWasMeant) {
  listen();
  EXPECT_EQ(run([] {
              const everywatt_name epoch = everywatt_intern("epoch");
              const everywatt_span outer = everywatt_phase_begin(epoch);
              const everywatt_span inner = everywatt_phase_begin_text("eval");
              everywatt_wait_end(everywatt_wait_begin_text("allreduce"));
              everywatt_step(-1);
              everywatt_step(41);
              everywatt_metric_text("loss", 0.25, -1);
              everywatt_metric_text("loss", NAN, 17);
              everywatt_tag("optimizer", "");
              everywatt_tag("note", "twenty-four bytes in one. And more");
              everywatt_count(EVERYWATT_TOKENS, UINT64_MAX);
              everywatt_flops(EVERYWATT_BF16, 1e24);
              everywatt_recomputed_flops(EVERYWATT_FP8, 0);
              everywatt_phase_end(inner);
              everywatt_phase_end(outer);
            }),
            0);
  const Nanoseconds before = now();
  look();
  EXPECT_THAT(lines_, IsEmpty());
  ASSERT_EQ(heard_.size(), 17u);
  const auto begins = all<PhaseBegin>();
  ASSERT_EQ(begins.size(), 2u);
  EXPECT_EQ(begins[0].name, "epoch");
  EXPECT_EQ(begins[1].name, "eval");
  EXPECT_THAT(all<PhaseEnd>(), ElementsAre(PhaseEnd{.span = begins[1].span}, PhaseEnd{.span = begins[0].span}));
  ASSERT_EQ(all<WaitBegin>().size(), 1u);
  EXPECT_EQ(all<WaitBegin>()[0].name, "allreduce");
  EXPECT_THAT(all<WaitEnd>(), ElementsAre(WaitEnd{.span = all<WaitBegin>()[0].span}));
  EXPECT_THAT(all<StepMark>(), ElementsAre(StepMark{}, StepMark{.number = 41}));
  const auto metrics = all<MetricMark>();
  EXPECT_EQ(metrics.at(0), (MetricMark{.name = "loss", .value = 0.25, .step = {}}));
  EXPECT_TRUE(std::isnan(metrics.at(1).value));
  EXPECT_EQ(metrics.at(1).step, 17u);
  EXPECT_THAT(all<TagMark>(), ElementsAre(TagMark{.key = "optimizer", .value = ""},
                                          TagMark{.key = "note", .value = "twenty-four bytes in one. And more"}));
  EXPECT_THAT(all<CountMark>(), ElementsAre(CountMark{.unit = CountUnit::tokens, .amount = UINT64_MAX}));
  EXPECT_THAT(all<FlopsMark>(),
              ElementsAre(FlopsMark{.precision = Precision::bf16, .amount = 1e24 * flop},
                          FlopsMark{.precision = Precision::fp8, .amount = {}, .kind = FlopsKind::recomputed}));
  for (std::size_t i = 2; i + 1 < heard_.size(); ++i) EXPECT_GE(heard_[i].time, heard_[i - 1].time);
  EXPECT_LE(heard_[15].time, before);
  EXPECT_EQ(only_end(), ProcessEnd{});
}

TEST_F(Library, ALaneIsAThreadOfAProcess) {
  listen();
  const pid_t pid = start([] {
    everywatt_step(0);
    std::thread{[] { everywatt_step(1); }}.join();
  });
  EXPECT_EQ(end_of(pid), 0);
  look();
  ASSERT_EQ(heard_.size(), 4u);
  EXPECT_EQ(heard_[1].lane.thread, pid);
  EXPECT_NE(heard_[2].lane.thread, pid);
  EXPECT_GT(heard_[2].lane.thread, 0);
  for (const Mark& mark : heard_) {
    EXPECT_EQ(mark.lane.process.pid, pid);
    EXPECT_GT(mark.lane.process.start_ticks, 0u);
  }
}

TEST_F(Library, WhatCannotBeMeantIsDroppedAndCounted) {
  listen();
  EXPECT_EQ(run([] {
              everywatt_step(0);
              everywatt_phase_begin(0);
              everywatt_phase_end(0);
              everywatt_metric(0, 1.0, -1);
              everywatt_tag(nullptr, "value");
              everywatt_tag("key", nullptr);
              everywatt_count(static_cast<everywatt_unit>(3), 1);
              everywatt_flops(EVERYWATT_FP64, -1);
              everywatt_flops(EVERYWATT_FP64, INFINITY);
              everywatt_recomputed_flops(EVERYWATT_FP64, -1);
              if (everywatt_dropped() != 9) ::_exit(1);
            }),
            0);
  look();
  EXPECT_EQ(only_end().dropped, 9u);
  EXPECT_EQ(server_->loss().dropped, 9u);
}

TEST_F(Library, FourThreadsOfAMillionMarksEachBesideAReader) {
  constexpr std::uint64_t kEach = 1'000'000;
  listen();
  const pid_t pid = start([] {
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([] {
        for (std::uint64_t number = 0; number < kEach; ++number) everywatt_step(static_cast<std::int64_t>(number));
      });
    }
    for (std::thread& thread : threads) thread.join();
  });
  std::map<std::int32_t, std::uint64_t> next;
  std::uint64_t read = 0;
  ProcessEnd end{.trouble = "no end"};
  const MarkSink take = [&](const Mark& mark) {
    if (const auto* last = std::get_if<ProcessEnd>(&mark.what)) end = *last;
    const auto* step = std::get_if<StepMark>(&mark.what);
    if (!step) return;
    EXPECT_GE(*step->number, next[mark.lane.thread]);
    next[mark.lane.thread] = *step->number + 1;
    ++read;
  };
  while (::waitpid(pid, nullptr, WNOHANG) == 0) EXPECT_THAT(server_->accept_and_drain(now(), take), IsEmpty());
  EXPECT_THAT(server_->finish(now(), take), IsEmpty());
  EXPECT_EQ(next.size(), 4u);
  EXPECT_EQ(read + end.dropped, 4 * kEach);
  EXPECT_EQ(end.torn, 0u);
  EXPECT_EQ(end.trouble, std::nullopt);
}

TEST_F(Library, AForkedChildHasItsOwnRingAndKnowsItsParent) {
  listen();
  const pid_t parent = start([] {
    const everywatt_name name = everywatt_intern("work");
    const everywatt_span ours = everywatt_phase_begin(name);
    const pid_t child = ::fork();
    if (child == 0) {
      everywatt_phase_begin(name);  // a name of the parent's
      everywatt_phase_end(ours);    // as an unwinding child would
      ::_exit(0);
    }
    ::_exit(end_of(child));
  });
  EXPECT_EQ(end_of(parent), 0);
  look();
  EXPECT_THAT(lines_, IsEmpty());
  const auto processes = all<ProcessBegin>();
  ASSERT_EQ(processes.size(), 2u);
  EXPECT_EQ(processes[0].forked_from, std::nullopt);
  EXPECT_EQ(processes[1].forked_from, heard_[0].lane.process);
  EXPECT_EQ(heard_[0].lane.process.pid, parent);
  for (const Mark& mark : heard_) EXPECT_EQ(mark.lane.thread, mark.lane.process.pid);
  const auto begins = all<PhaseBegin>();
  ASSERT_EQ(begins.size(), 2u);
  EXPECT_EQ(begins[1].name, "work");
  EXPECT_NE(begins[0].span, begins[1].span);
  EXPECT_THAT(all<PhaseEnd>(), ElementsAre(PhaseEnd{.span = begins[0].span}));
}

TEST_F(Library, AForkBesideAThreadThatMarksAndNamesIsSafe) {
  listen();
  EXPECT_EQ(run([] {
              std::atomic<bool> stop = false;
              std::thread other{[&] {
                for (int i = 0; !stop; ++i) everywatt_metric_text(("m" + std::to_string(i % 4000)).c_str(), i, i);
              }};
              int failed = 0;
              for (int i = 0; i < 50; ++i) {
                const pid_t child = ::fork();
                if (child == 0) {
                  everywatt_phase_end(everywatt_phase_begin_text("child"));
                  ::_exit(everywatt_current_state());
                }
                failed += end_of(child) != 0;
              }
              stop = true;
              other.join();
              ::_exit(failed);
            }),
            0);
  look();
  EXPECT_THAT(lines_, IsEmpty());
  EXPECT_EQ(all<ProcessBegin>().size(), 51u);
  EXPECT_EQ(all<PhaseBegin>().size(), 50u);
}

TEST_F(Library, WithoutASupervisorNothingIsMadeAndNothingIsKept) {
  ::unsetenv("EVERYWATT_SOCKET");
  EXPECT_EQ(run([] {
              const everywatt_span phase = everywatt_phase_begin_text("p");
              everywatt_phase_end(phase);
              everywatt_step(1);
              if (phase != 0 || everywatt_dropped() != 0) ::_exit(1);
              ::_exit(everywatt_current_state());
            }),
            EVERYWATT_NO_SUPERVISOR);
}

TEST_F(Library, DisabledItSaysNothing) {
  listen();
  ::setenv("EVERYWATT_DISABLED", "1", 1);
  EXPECT_EQ(run([] {
              everywatt_step(1);
              ::_exit(everywatt_open(nullptr));
            }),
            EVERYWATT_IS_DISABLED);
  look();
  EXPECT_THAT(heard_, IsEmpty());
}

TEST_F(Library, APathThatIsTooLongIsRefusedOnBothSides) {
  const std::filesystem::path path = folder_ / std::string(108, 'p');
  const auto server = MarkServer::listen(path);
  ASSERT_FALSE(server);
  EXPECT_EQ(server.error().code, Errc::misuse);
  EXPECT_THAT(server.error().what, ::testing::HasSubstr("at most 107 bytes"));
  EXPECT_EQ(run([&] { ::_exit(everywatt_open(path.c_str())); }), EVERYWATT_PATH_TOO_LONG);
}

TEST_F(Library, ASupervisorThatComesLateHearsItAll) {
  Signal marked, listening;
  const pid_t pid = start([&] {
    for (int i = 0; i < 1000; ++i) everywatt_step(i);
    marked.give();
    listening.await();
    ::usleep(20'000);  // longer than the second attempt waits
    everywatt_step(1000);
  });
  marked.await();
  listen();
  look();
  EXPECT_THAT(heard_, IsEmpty());
  listening.give();
  EXPECT_EQ(end_of(pid), 0);
  look();
  EXPECT_EQ(all<StepMark>().size(), 1001u);
  EXPECT_EQ(only_end(), ProcessEnd{});
}

TEST_F(Library, ACloseHandsOverAndEndsTheProcess) {
  Signal marked, listening, closed, over;
  const pid_t pid = start([&] {
    everywatt_step(1);
    marked.give();
    listening.await();
    everywatt_close();
    everywatt_step(2);
    closed.give();
    over.await();
    if (everywatt_open(nullptr) != EVERYWATT_IS_OPEN) ::_exit(1);
    everywatt_step(3);
  });
  marked.await();
  listen();
  listening.give();
  closed.await();
  look();
  EXPECT_THAT(all<StepMark>(), ElementsAre(StepMark{.number = 1}));
  EXPECT_EQ(only_end(), ProcessEnd{});
  over.give();
  EXPECT_EQ(end_of(pid), 0);
  look();
  EXPECT_THAT(all<StepMark>(), ElementsAre(StepMark{.number = 1}, StepMark{.number = 3}));
}

TEST_F(Library, NeverTouchesAFileThatTookTheNumberOfItsOwn) {
  EXPECT_EQ(run([&] {
              everywatt_step(1);  // nobody listens: the ring's file stays open
              ::close_range(3, ~0u, 0);
              int files[8];
              for (int& file : files) file = ::open("/dev/null", O_RDONLY);
              listen();
              ::usleep(20'000);
              everywatt_step(2);
              everywatt_close();
              for (const int file : files) {
                struct stat status{};
                if (::fstat(file, &status) != 0 || !S_ISCHR(status.st_mode)) ::_exit(1);
              }
              look();
              ::_exit(lines_.empty() && heard_.empty() ? 0 : 2);
            }),
            0);
}

TEST_F(Library, LeavesNoFileOpenOnceItIsHeard) {
  listen();
  EXPECT_EQ(run([] {
              const int before = ::dup(0);
              everywatt_step(1);
              ::_exit(::dup(0) == before + 1 ? 0 : 1);
            }),
            0);
}

TEST_F(Library, AJobThatMayWriteNoLargeFilesGoesOnWithoutMarks) {
  listen();
  EXPECT_EQ(run([] {
              const rlimit limit{.rlim_cur = 1 << 20, .rlim_max = 1 << 20};
              ::setrlimit(RLIMIT_FSIZE, &limit);
              everywatt_step(1);
              ::_exit(everywatt_current_state());
            }),
            EVERYWATT_NO_MEMORY);
}

TEST_F(Library, LeavesErrnoAlone) {
  EXPECT_EQ(run([] {
              errno = 42;
              everywatt_step(1);  // nobody listens: connect() fails
              everywatt_metric_text("loss", 1, 2);
              everywatt_close();
              ::_exit(errno == 42 ? 0 : 1);
            }),
            0);
}

TEST_F(Library, WhatWasReadTakesNoMemoryOfTheReader) {
  listen();
  const pid_t pid = start([] {
    for (std::uint32_t i = 0; i < kSlotCount; ++i) everywatt_step(i);
    ::pause();
  });
  while (all<StepMark>().size() < kSlotCount) look();
  std::ifstream maps{"/proc/self/smaps"};
  std::uint64_t kilobytes = 0;
  bool found = false, in_ring = false;
  for (std::string line; std::getline(maps, line);) {
    if (line.find("memfd:everywatt-marks") != line.npos)
      found = in_ring = true;
    else if (line.starts_with("VmFlags:"))
      in_ring = false;
    if (in_ring && line.starts_with("Rss:")) kilobytes += std::stoull(line.substr(4));
  }
  EXPECT_TRUE(found);
  EXPECT_LE(kilobytes, 256u);
  ::kill(pid, SIGKILL);
  EXPECT_EQ(end_of(pid), -SIGKILL);
}

}  // namespace
}  // namespace everywatt::marks

// What was acknowledged stays, whatever happens to the process or the disk.
#include <gmock/gmock.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstring>
#include <functional>
#include <random>

#include "store/store_fixture.h"

namespace everywatt {
namespace {

using testing::device_named;
using testing::entry_of;
using ::testing::HasSubstr;
using testing::must;
using testing::points_of;
using testing::run_named;

// Runs `work` in a process of its own; an exception is its exit status 1.
pid_t in_child(const std::function<void()>& work) {
  const pid_t pid = ::fork();
  if (pid != 0) return pid;
  try {
    work();
  } catch (const std::exception& error) {
    (void)!::write(2, error.what(), std::strlen(error.what()));
    ::_exit(1);
  }
  ::_exit(0);
}

int exit_status_of(pid_t pid) {
  int status = 0;
  ::waitpid(pid, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

// Commits an entry of 1 uJ and a point again and again, and says so after each.
void commit_forever(testing::StorePlaceFixture& place, StoreForm form, const std::string& id, int pipe) {
  const auto store = must(place.open(form));
  must(store->put_run(run_named(id)));
  for (std::int64_t i = 1;; ++i) {
    must(store->append(id, {.devices = {device_named("d")}, .entries = {entry_of("d", 1)}}));
    must(store->append(id, points_of("d", Track::energy, {{i, i}})));
    must(store->commit());
    (void)!::write(pipe, &i, sizeof i);
  }
}

class Crash : public ::testing::TestWithParam<StoreForm> {};
INSTANTIATE_TEST_SUITE_P(Forms, Crash, ::testing::Values(StoreForm::one_file, StoreForm::file_per_run),
                         [](const auto& form) { return form.param == StoreForm::one_file ? "OneFile" : "FilePerRun"; });

TEST_P(Crash, WhatWasAcknowledgedSurvivesKill9) {
  testing::StorePlaceFixture place;
  std::mt19937 chance{42};
  for (int round = 0; round < 30; ++round) {
    int ends[2];
    ASSERT_EQ(::pipe(ends), 0);
    const std::string id = "r" + std::to_string(round);
    const pid_t child = in_child([&] { commit_forever(place, GetParam(), id, ends[1]); });
    ::close(ends[1]);
    // Not before the first word of it, so that each round can fail.
    std::int64_t acknowledged = 0;
    ASSERT_EQ(::read(ends[0], &acknowledged, sizeof acknowledged), static_cast<ssize_t>(sizeof acknowledged));
    ::usleep(static_cast<useconds_t>(chance() % 30'000));
    ::kill(child, SIGKILL);
    EXPECT_EQ(exit_status_of(child), -SIGKILL);
    while (::read(ends[0], &acknowledged, sizeof acknowledged) > 0) {
    }
    ::close(ends[0]);

    const auto store = must(place.open(GetParam()));
    EXPECT_TRUE(store->notices().empty());
    const RunRecord record = must(store->read(id));
    ASSERT_EQ(record.entries.size(), 1u);
    EXPECT_GE(record.entries[0].energy, acknowledged);
    EXPECT_LE(record.entries[0].energy, acknowledged + 1);  // committed, and killed before it could say so
    EXPECT_EQ(must(store->series(id, "d", Track::energy)).size(), static_cast<std::size_t>(record.entries[0].energy));
  }
}

TEST_P(Crash, ThirtyTwoWritersFromNothingLoseNothing) {
  testing::StorePlaceFixture place;
  constexpr int kWriters = 32, kCommits = 20;
  std::vector<pid_t> children;
  for (int writer = 0; writer < kWriters; ++writer) {
    children.push_back(in_child([&] {
      const std::string id = "w" + std::to_string(writer);
      const auto store = must(place.open(GetParam()));
      if (!store->notices().empty()) throw std::runtime_error(store->notices()[0]);
      for (int i = 0; i < kCommits; ++i) {
        must(store->put_run(run_named(id)));
        must(store->append(id, {.devices = {device_named("d")}, .entries = {entry_of("d", 1)}}));
        must(store->commit());
      }
    }));
  }
  for (const pid_t child : children) EXPECT_EQ(exit_status_of(child), 0);
  const auto summaries = must(must(place.open(GetParam()))->list());
  ASSERT_EQ(summaries.size(), static_cast<std::size_t>(kWriters));
  for (const RunSummary& summary : summaries) EXPECT_EQ(summary.total, kCommits);
}

void limit_files(rlim_t bytes) {
  rlimit limit{};
  ::getrlimit(RLIMIT_FSIZE, &limit);
  limit.rlim_cur = bytes;
  ::setrlimit(RLIMIT_FSIZE, &limit);
}

// A disk that fills up and is cleared, as a limit on the size of files.
void fill_and_clear(testing::StorePlaceFixture& place, StoreForm form) {
  ::signal(SIGXFSZ, SIG_IGN);
  const auto store = must(place.open(form));
  must(store->put_run(run_named("r1")));
  limit_files(150'000);
  std::int64_t written = 0;
  const std::string path(200, 'p');
  Result<void> committed;
  for (; committed && written < 5'000; ++written) {
    Entry entry = entry_of("d", 1);
    entry.phase = path + std::to_string(written);
    must(store->append("r1", {.devices = {device_named("d")}, .entries = {entry}}));
    must(store->append("r1", points_of("d", Track::energy, {{written, written}})));
    committed = store->commit();
  }
  if (committed) throw std::runtime_error("the disk never filled up");
  if (committed.error().code != Errc::io) throw std::runtime_error("not an io error: " + committed.error().what);
  if (committed.error().what.find("no space left") == std::string::npos)
    throw std::runtime_error(committed.error().what);
  // Nothing acknowledged is lost, and what could not be written waits.
  if (must(store->list())[0].total != written - 1) throw std::runtime_error("acknowledged joules are missing");
  must(store->append("r1", {.entries = {entry_of("d", 1)}}));
  if (store->commit()) throw std::runtime_error("wrote to a full disk");
  limit_files(RLIM_INFINITY);
  must(store->commit());
  if (must(store->list())[0].total != written + 1) throw std::runtime_error("what waited was not written once");
  if (must(store->series("r1", "d", Track::energy)).size() != static_cast<std::size_t>(written))
    throw std::runtime_error("points are missing");
}

TEST_P(Crash, AFullDiskIsOneClearErrorAndNothingIsLost) {
  testing::StorePlaceFixture place;
  EXPECT_EQ(exit_status_of(in_child([&] { fill_and_clear(place, GetParam()); })), 0);
}

TEST(ReadOnly, ALedgerThatMayOnlyBeReadIsReadAndRefusesWritesWithTheRemedy) {
  testing::StorePlaceFixture place;
  {
    const auto store = must(place.open());
    must(store->put_run(run_named("r1")));
    must(store->commit());
  }
  const bool is_root = ::geteuid() == 0;
  for (const bool with_log : {true, false}) {
    if (!with_log) {
      std::filesystem::remove(place.path().string() + "-wal");
      std::filesystem::remove(place.path().string() + "-shm");
    }
    for (const auto& file : std::filesystem::directory_iterator{place.folder()}) ::chmod(file.path().c_str(), 0444);
    ::chmod(place.folder().c_str(), 0555);
    const int status = exit_status_of(in_child([&] {
      if (is_root && ::setuid(65534) != 0) throw std::runtime_error("setuid");
      const auto store = must(place.open());
      if (must(store->list()).size() != (with_log ? 1u : 0u)) throw std::runtime_error("the run is not read");
      const auto put = store->put_run(run_named("r2"));
      if (put || put.error().code != Errc::denied) throw std::runtime_error("a write was not denied");
      if (put.error().what.find("EVERYWATT_DB") == std::string::npos) throw std::runtime_error("no remedy");
    }));
    EXPECT_EQ(status, 0) << (with_log ? "with its log" : "without");
    ::chmod(place.folder().c_str(), 0755);
  }
}

}  // namespace
}  // namespace everywatt

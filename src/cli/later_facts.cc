#include "cli/later_facts.h"

#include <signal.h>

#include <algorithm>
#include <array>
#include <thread>
#include <vector>

#include "cli/git_state.h"
#include "job/process.h"
#include "job/software.h"

namespace everywatt {
namespace {

// Frameworks take seconds to load, and some load more at their first step.
constexpr std::array<std::uint64_t, 6> kLooks = {2, 5, 15, 60, 200, 600};
// Ranks of one job are alike.
constexpr std::size_t kMostProcesses = 8;

}  // namespace

void LaterFacts::begin(const std::string& working_directory) {
  const auto repository = repository_around(working_directory);
  if (!repository) return;
  std::packaged_task<std::string()> task{[repository] { return git_dirty(*repository); }};
  dirty_ = task.get_future();
  // Signals are the loop's: a thread beside it takes none.
  sigset_t all, before;
  sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  std::thread{std::move(task)}.detach();
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

void LaterFacts::look(std::uint64_t window, const Job& job, std::span<const ProcessKey> speakers,
                      std::map<std::string, std::string>& environment) {
  if (std::ranges::find(kLooks, window) == kLooks.end()) return;
  std::vector<pid_t> pids;
  for (const ProcessKey& speaker : speakers) pids.push_back(speaker.pid);
  const pid_t root[] = {job.pid()};
  for (const ProcessStat& process : look_at_trees(root)) {
    if (std::ranges::find(pids, process.pid) == pids.end()) pids.push_back(process.pid);
  }
  if (pids.size() > kMostProcesses) pids.resize(kMostProcesses);
  for (const pid_t pid : pids) {
    for (auto& [fact, value] : software_of(pid)) environment.emplace(fact, std::move(value));
  }
}

void LaterFacts::finish(std::map<std::string, std::string>& environment) {
  if (!dirty_.valid()) return;
  const bool is_known = dirty_.wait_for(std::chrono::seconds{0}) == std::future_status::ready;
  environment["git_dirty"] = is_known ? dirty_.get() : "unknown";
}

}  // namespace everywatt

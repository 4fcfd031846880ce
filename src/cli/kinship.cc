#include "cli/kinship.h"

#include <sys/stat.h>

#include <algorithm>

#include "job/job.h"
#include "job/process.h"

namespace everywatt {
namespace {

// The numbers of processes mean something within one pid namespace only.
std::uint64_t pid_namespace() {
  struct stat info{};
  return ::stat("/proc/self/ns/pid", &info) == 0 ? info.st_ino : 0;
}

bool is_living(const Tenant& tenant) { return !tenant.to.has_value(); }

// The process and its ancestors, nearest first; `whole`: up to the first of all.
struct Ancestry {
  std::vector<ProcessStat> line;
  bool whole = false;
};

Ancestry ancestry_of(pid_t pid) {
  Ancestry ancestry;
  while (pid > 0) {
    auto process = read_process(pid);
    if (!process) return ancestry;
    pid = process->parent;
    ancestry.line.push_back(*std::move(process));
  }
  ancestry.whole = true;
  return ancestry;
}

bool holds(const Ancestry& ancestry, const Tenant::Root& root) {
  return std::ranges::any_of(ancestry.line, [&](const ProcessStat& process) {
    return process.pid == root.pid && process.start_ticks == root.start_ticks;
  });
}

}  // namespace

Tenant::Root measured_from(pid_t pid) {
  return {.pid = pid, .start_ticks = start_ticks_of(pid).value_or(0), .pid_namespace = pid_namespace()};
}

std::optional<std::string> run_around(const Tenant::Root& root, std::string_view claimed,
                                      std::span<const Tenant> tenants) {
  const Ancestry ancestry = ancestry_of(static_cast<pid_t>(root.pid));
  for (const ProcessStat& process : ancestry.line) {
    // Of several that measure one process the one that came first is outermost.
    const Tenant* first = nullptr;
    for (const Tenant& tenant : tenants) {
      if (!is_living(tenant) || tenant.root.pid_namespace != root.pid_namespace) continue;
      if (tenant.root.pid != process.pid || tenant.root.start_ticks != process.start_ticks) continue;
      if (!first || tenant.from < first->from) first = &tenant;
    }
    if (first) return first->run;
  }
  const auto claim = std::ranges::find(tenants, claimed, &Tenant::run);
  if (claim == tenants.end() || !is_living(*claim)) return std::nullopt;
  const bool can_be_seen = ancestry.whole && claim->root.pid_namespace == root.pid_namespace;
  return can_be_seen ? std::nullopt : std::optional{claim->run};
}

std::optional<std::string> run_within(const Tenant::Root& root, std::span<const Tenant> tenants) {
  for (const Tenant& tenant : tenants) {
    if (!is_living(tenant) || tenant.root.pid_namespace != root.pid_namespace || tenant.root.pid == root.pid) continue;
    if (holds(ancestry_of(static_cast<pid_t>(tenant.root.pid)), root)) return tenant.run;
  }
  return std::nullopt;
}

}  // namespace everywatt

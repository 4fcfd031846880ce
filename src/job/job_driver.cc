// The smallest supervisor, for tests that need one as a process of its own:
//   job_driver [--tree] [--report FILE] [--ready FILE] CMD [ARG…]
// Runs CMD as a job and ends with its exit status. --tree: without a cgroup.
// --report: what the run used, one "key value" a line. --ready: made once the job runs.
#include <poll.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <string_view>

#include "job/job.h"

namespace {

using namespace everywatt;

struct Settings {
  JobOptions job{.command = {}, .environment = {}, .cgroup_name = "everywatt-driver"};
  std::string report;
  std::string ready;
};

Settings parse(int argc, char** argv) {
  Settings settings;
  int i = 1;
  for (; i < argc; ++i) {
    const std::string_view argument{argv[i]};
    if (argument == "--tree") {
      settings.job.cgroup_name.clear();
    } else if (argument == "--report" && i + 1 < argc) {
      settings.report = argv[++i];
    } else if (argument == "--ready" && i + 1 < argc) {
      settings.ready = argv[++i];
    } else {
      break;
    }
  }
  settings.job.command.assign(argv + i, argv + argc);
  return settings;
}

void write_report(const std::string& path, Job& job, bool ran_backwards) {
  const Usage usage = job.usage();
  std::ofstream out{path};
  out << "method " << usage.method << "\ncpu_time " << usage.cpu_time << "\nbackwards " << ran_backwards << '\n';
  if (usage.peak_memory_bytes) out << "peak_memory " << *usage.peak_memory_bytes << '\n';
  if (usage.disk_read_bytes) out << "disk_read " << *usage.disk_read_bytes << '\n';
  if (usage.disk_written_bytes) out << "disk_written " << *usage.disk_written_bytes << '\n';
  for (const NetworkBytes& bytes : usage.network) {
    out << bytes.kind << ".received " << bytes.received << '\n' << bytes.kind << ".sent " << bytes.sent << '\n';
    out << bytes.kind << ".lower_bound " << bytes.lower_bound << '\n';
  }
  for (const Survivor& survivor : job.survivors()) out << "survivor " << survivor.pid << ' ' << survivor.name << '\n';
}

int supervise(Job& job, const std::string& report) {
  constexpr int kTickMilliseconds = 100;
  Nanoseconds before = 0;
  bool ran_backwards = false;
  for (;;) {
    pollfd event{.fd = job.event_fd(), .events = POLLIN, .revents = 0};
    ::poll(&event, 1, kTickMilliseconds);
    const auto end = job.poll_end();
    const Nanoseconds now = job.usage().cpu_time;
    ran_backwards |= now < before;
    before = now;
    if (!end) continue;
    if (!report.empty()) write_report(report, job, ran_backwards);
    return end->exit_status.value_or(0);
  }
}

}  // namespace

int main(int argc, char** argv) {
  const Settings settings = parse(argc, argv);
  const auto job = start_job(settings.job);
  if (!job) {
    std::fprintf(stderr, "job_driver: %s\n", job.error().what.c_str());
    return job.error().code == Errc::absent ? 127 : 126;
  }
  if (!settings.ready.empty()) std::ofstream{settings.ready} << (*job)->pid() << '\n';
  return supervise(**job, settings.report);
}

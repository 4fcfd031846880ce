#include "cli/input_workers.h"

#include <unistd.h>

#include <algorithm>
#include <limits>

#include "base/text.h"
#include "job/process.h"

namespace everywatt {
namespace {

// Marks may be heard a second after they were made: what a worker that began shortly before it was named has worked by
// then is of that time. Of an older one that is not known.
Nanoseconds worked_before(Nanoseconds named, const ProcessStat& seen, Nanoseconds now) {
  const Nanoseconds tick = kSecond / std::max(1L, ::sysconf(_SC_CLK_TCK));
  const bool is_young = static_cast<Nanoseconds>(seen.start_ticks) * tick > named - kSecond;
  return is_young ? seen.total() - std::min(seen.total(), now - named) : seen.total();
}

}  // namespace

void InputWorkers::take(const ProcessKey& process, Nanoseconds time, std::string_view pids) {
  Crew& crew = crews_.try_emplace(process, Crew{.seen = time}).first->second;
  std::vector<Worker> named;
  for (const std::string_view word : words(pids)) {
    const auto pid = parse_u64(word);
    if (!pid || *pid == 0 || *pid > std::numeric_limits<pid_t>::max()) continue;
    const auto known = std::ranges::find(crew.workers, static_cast<pid_t>(*pid), &Worker::pid);
    named.push_back(known != crew.workers.end() ? *known : Worker{.pid = static_cast<pid_t>(*pid), .named = time});
  }
  crew.workers = std::move(named);
}

void InputWorkers::look(Nanoseconds now, Meter& meter) {
  for (auto& [process, crew] : crews_) {
    Meter::InputWork work{.from = crew.seen, .to = now};
    std::erase_if(crew.workers, [&](Worker& worker) {
      const auto seen = read_process(worker.pid);
      if (!seen || seen->ended) return true;
      if (worker.start_ticks == 0) {
        if (!descends_from(worker.pid, process.pid)) return true;
        worker.start_ticks = seen->start_ticks;
        worker.worked = worked_before(worker.named, *seen, now);
      }
      if (worker.start_ticks != seen->start_ticks) return true;
      work.cpu_time += seen->total() - worker.worked;
      worker.worked = seen->total();
      ++work.workers;
      return false;
    });
    if (work.workers > 0) meter.note_input_work(process, work);
    crew.seen = now;
  }
}

}  // namespace everywatt

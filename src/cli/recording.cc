#include "cli/recording.h"

#include <poll.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <iterator>
#include <random>

#include "base/file.h"
#include "base/text.h"
#include "cli/kinship.h"
#include "cli/ledger.h"
#include "job/process.h"
#include "sources/all_sources.h"

namespace everywatt {
namespace {

constexpr Nanoseconds kTick = Sampler::kTick;
// How often a processor's energy counter is read for its own sake. Waking up costs more than reading it.
constexpr Nanoseconds kLeisure = 500 * kMillisecond;
// Windows are booked and committed once a second: what kill -9 can take.
constexpr Nanoseconds kWindow = kSecond;
// How long the end waits for the last reading of what is read beside the loop.
constexpr Nanoseconds kPatience = 50 * kMillisecond;
// Memory, disk and network bytes, ours too, and what is missing are looked at in the first three windows, then in ever
// fewer, and in the end in every tenth: they cost more than all else, and a job's first seconds, in which connections
// are opened, are not like those that follow.
constexpr std::uint64_t kWindowsPerUsage = 10;

struct Woken {
  bool by_job = false;     // something happened to it
  bool by_caller = false;  // a process of it wants to speak
};

// Until `when` at most. `callers`: where they call; -1: they may wait.
Woken wait_for(const Job& job, int callers, Nanoseconds now, Nanoseconds when) {
  std::array<pollfd, 2> events{
      {{.fd = job.event_fd(), .events = POLLIN, .revents = 0}, {.fd = callers, .events = POLLIN, .revents = 0}}};
  const Nanoseconds length = std::max<Nanoseconds>(when - now, 0);
  const timespec timeout{.tv_sec = length / kSecond, .tv_nsec = length % kSecond};
  const int ready = ::ppoll(events.data(), events.size(), &timeout, nullptr);
  if (ready < 0) return {.by_job = true};  // a signal, perhaps
  return {.by_job = events[0].revents != 0, .by_caller = events[1].revents != 0};
}

Nanoseconds length_of(Sampler::Pace pace) {
  switch (pace) {
    case Sampler::Pace::ticks:
      return kTick;
    case Sampler::Pace::leisurely:
      return kLeisure;
    case Sampler::Pace::edges:
      return kWindow;
  }
  return kTick;
}

// Not ru_maxrss, which still holds what the program was that started us.
std::uint64_t peak_rss_bytes() {
  const auto status = read_text("/proc/self/status");
  if (!status) return 0;
  for (const std::string_view line : split(*status, '\n')) {
    if (!line.starts_with("VmHWM:")) continue;
    return parse_u64(words(line)[1]).value_or(0) * 1024;  // "VmHWM:     8192 kB"
  }
  return 0;
}

}  // namespace

std::string new_run_id() {
  constexpr std::string_view kLetters = "0123456789abcdefghjkmnpqrstvwxyz";  // without i, l, o, u: read aloud safely
  std::random_device chance;
  std::string id;
  for (int i = 0; i < 10; ++i) id += kLetters[chance() % kLetters.size()];
  return id;
}

Recording::Recording(Context& context, const Config& config, Run run, const Tenant::Root& root,
                     std::optional<JobVoice> voice)
    : context_{context},
      site_{config.site()},
      series_days_{config.number("retention.series_days")},
      run_{std::move(run)},
      sampler_{all_sources(), context.roots},
      voice_{std::move(voice)} {
  open_store_for_run();
  if (config.boundary() == Boundary::node) run_.boundary = "node";
  MeterOptions options{.run = run_.id, .tick = kTick, .boundary = config.boundary()};
  const std::string host = ledger_host(run_.host, context_.roots);
  if (store_) {
    if (const auto floors = store_->floors(host)) {
      for (const LearntFloor& floor : *floors) {
        const FloorMethod method = parse_floor_method(floor.method).value_or(FloorMethod::prior);
        options.floors[floor.device] = {.power = floor.watts * watt, .method = method, .windows = floor.windows};
      }
    }
    if (auto calibrations = store_->calibrations(host)) options.calibrations = *std::move(calibrations);
  }
  const auto inventories = sampler_.inventories();
  meter_ = std::make_unique<Meter>(inventories, std::move(options));
  const bool counts_node = std::ranges::any_of(meter_->election().devices, [](const Elected& e) {
    return e.counted && (e.device.kind == DeviceKind::node || e.device.kind == DeviceKind::psys);
  });
  if (run_.boundary == "node" && !counts_node) {
    run_.boundary = "components";
    note("site.boundary is \"node\", but no node meter can be read here: the components are counted");
  }
  if (std::ranges::all_of(meter_->election().devices, [](const Elected& e) { return e.candidates.empty(); }))
    note("no device of this machine could be measured or modelled: everywatt doctor says why");
  note_sources();
  if (!voice_) open_voice();
  sampler_.sample_edge(context_.clock, *meter_);
  run_.started = context_.clock.now();
  meter_->begin(run_.started);
  announce(root);
  if (presence_) {
    tenants_ = presence_->tenants(run_.started.steady);
    propose_floors(run_.started.steady);
  }
}

void Recording::open_voice() {
  if (auto voice = JobVoice::open(run_.id)) {
    voice_.emplace(*std::move(voice));
  } else {
    note("what the job says of itself is not heard: " + voice.error().what);
  }
}

std::optional<std::string> Recording::socket() const { return voice_ ? std::optional{voice_->socket()} : std::nullopt; }

void Recording::hear(Nanoseconds now) {
  if (!voice_) return;
  voice_->hear(now, *meter_, run_);
  note_process_times(now);
}

// Of a run of which several processes speak: what each worked, with the children that it waited for.
void Recording::note_process_times(Nanoseconds now) {
  if (meter_->phases().processes().size() < 2) return;
  for (const ProcessKey& process : meter_->phases().living()) {
    const auto seen = read_process(process.pid);
    if (seen && seen->start_ticks == process.start_ticks) meter_->phases().note_work("", process, now, seen->total());
  }
}

// Asked of each process that uses a GPU, at each reading: whose ancestors they are is looked up once a window. One that
// was ours stays so when it has ended.
Owner Recording::owner_of(const Job& job, std::int64_t pid) {
  if (our_pids_.contains(pid)) return Owner::run;
  const auto [known, is_new] = not_ours_.try_emplace(pid, Owner::unknown);
  if (!is_new) return known->second;
  const auto ours = job.owns(static_cast<pid_t>(pid));
  if (ours == true) {
    not_ours_.erase(known);
    our_pids_.insert(pid);
    return Owner::run;
  }
  return known->second = ours ? Owner::others : Owner::unknown;
}

void Recording::open_store_for_run() {
  auto store = open_ledger(context_, Create::yes);
  if (!store) {
    note("the run is not kept: " + store.error().what);
    return;
  }
  store_ = *std::move(store);
  store_path_ = store_->path().string();
}

void Recording::announce(const Tenant::Root& root) {
  const auto folder = presence_folder(context_.roots);
  if (folder) {
    const char* claimed = std::getenv("EVERYWATT_RUN_ID");
    run_.parent = run_around(root, claimed ? claimed : "", tenants_in(*folder, run_.started.steady));
  }
  Tenant tenant{.run = run_.id,
                .parent = run_.parent.value_or(""),
                .root = root,
                .from = run_.started.steady,
                .readings = meter_->work_readings()};
  if (folder) {
    if (auto presence = Presence::announce(*folder, tenant)) {
      presence_.emplace(*std::move(presence));
      return;
    }
  }
  tenants_ = {std::move(tenant)};
  note("other everywatts of this host cannot be seen: idle energy is divided as if there were none");
}

// What we know of the floors is told to whoever comes later, and what others agreed on is learnt.
void Recording::propose_floors(Nanoseconds now) {
  const auto company = tenants_.size() == 1 ? Company::alone : Company::shared;
  const auto floors = meter_->floors();
  const bool is_news = company == Company::shared || std::ranges::any_of(floors, [&](const ProposedFloor& proposed) {
                         return floors_.is_news(proposed.device, proposed.floor, now, company);
                       });
  if (!is_news) return;
  if (auto board = presence_->floors(floors, now, company)) floors_ = *std::move(board);
}

void Recording::note(std::string line) {
  if (std::ranges::find(run_.notices, line) == run_.notices.end()) run_.notices.push_back(std::move(line));
}

JobEnd Recording::follow(Job& job) {
  if (store_ && (!store_->put_run(run_) || !store_->commit())) store_failed_ = true;
  later_facts_.begin(run_.environment["working_directory"]);
  job_time_is_cheap_ = job.usage().method == "cgroup";
  meter_->set_owner_of([this, &job](std::int64_t pid) { return owner_of(job, pid); });
  Instant now = context_.clock.now();
  Nanoseconds next_window = next_on_grid(now.steady, kWindow);
  bool has_called = false;  // since the last tick
  for (;;) {
    const bool shared = tenants_.size() > 1;
    const bool speaks = voice_ && voice_->is_speaking();
    const Nanoseconds pace = shared || speaks || has_called ? kTick : length_of(sampler_.pace());
    const int callers = voice_ && !has_called ? voice_->callers_fd() : -1;
    Nanoseconds next = next_on_grid(now.steady, pace);
    if (sampler_.has_prey())
      next = std::min(next, next_on_grid(std::max(now.steady, run_.started.steady + hunts_.next()), kTick));
    const Woken woken_by = wait_for(job, callers, now.steady, next);
    if (const auto end = woken_by.by_job ? job.poll_end() : std::nullopt) {
      ended_ = context_.clock.now();
      take_arrivals();
      sampler_.sample_edge(context_.clock, *meter_, kPatience);
      if (voice_) voice_->finish(ended_.steady, *meter_, run_);
      tally(job);
      keep(meter_->finish(window(job, ended_)));
      if (presence_) (void)presence_->leave(ended_.steady, meter_->work_readings());
      return *end;
    }
    const Instant woken = context_.clock.now();
    // Who begins to speak is met with a reading: what the job says begins there. Once a tick, however many call.
    has_called = woken_by.by_caller;
    if (woken.steady / kTick == now.steady / kTick && !has_called) continue;  // woken by the job, not by the grid
    now = woken;
    take_arrivals();
    // When within a second there was work, and whose, matters where others come and go, and where the job has phases.
    const bool is_fine = shared || speaks || has_called;
    if (is_fine || now.steady >= next_window) {
      sampler_.sample_edge(context_.clock, *meter_);
    } else {
      sampler_.sample_tick(context_.clock);
    }
    const Hunts::Need need = meter_->hunts_needed(now.steady + kWindow);
    if (hunts_.is_due(now.steady - run_.started.steady, need, meter_->price_of_hunts())) sampler_.hunt();
    hear(now.steady);
    if (job_time_is_cheap_ && is_fine) meter_->note_cpu_time(now.steady, job.cpu_time());
    if (now.steady < next_window) continue;
    close_window(job, now);
    next_window = next_on_grid(now.steady, kWindow);
  }
}

WindowContext Recording::window(Job& job, Instant until) {
  if (presence_) {
    tenants_ = presence_->tenants(until.steady);
    const bool alone = tenants_.size() == 1;
    // A moment's run, alone, is not worth the look: it takes what is there.
    if (!reserved_ && (!alone || until.steady - run_.started.steady > kTick)) {
      reserve(job);
      tenants_ = presence_->tenants(until.steady);
    }
    propose_floors(until.steady);
  }
  return {.until = until, .cpu_time = job.cpu_time(), .tenants = tenants_, .agreed = &floors_};
}

// What the job has reserved is known once it runs; of one that is gone already, what it was given.
void Recording::reserve(Job& job) {
  reserved_ = true;
  std::vector<Device> gpus;
  for (const Inventory* inventory : sampler_.inventories()) {
    std::ranges::copy_if(inventory->devices, std::back_inserter(gpus),
                         [](const Device& device) { return device.kind == DeviceKind::gpu; });
  }
  const pid_t pid = start_ticks_of(job.pid()) ? job.pid() : ::getpid();
  const Reservation reservation = reservation_of(pid, gpus, context_.roots);
  if (reservation.is_explicit() || reservation.gpus) (void)presence_->reserve(reservation);
}

// What was dropped of marks is the voice's to say.
void Recording::note_own_cost() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  const auto nanoseconds = [](const timeval& t) { return t.tv_sec * kSecond + t.tv_usec * 1000; };
  run_.overhead.cpu_time = nanoseconds(usage.ru_utime) + nanoseconds(usage.ru_stime);
  run_.overhead.peak_rss_bytes = peak_rss_bytes();
}

void Recording::tally(Job& job) {
  note_missing();
  run_.usage = job.usage();
  for (const Survivor& survivor : job.survivors()) {
    note("still running when the command ended, no longer measured: " + survivor.name + " (pid " +
         std::to_string(survivor.pid) + ")");
  }
}

void Recording::close_window(Job& job, Instant until) {
  not_ours_.clear();
  const WindowContext context = window(job, until);
  keep(meter_->close_window(context));
  if (windows_ == next_look_) {
    next_look_ += std::clamp<std::uint64_t>(windows_, 1, kWindowsPerUsage);
    note_missing();
    run_.usage = job.usage();
    note_own_cost();
  }
  ++windows_;
  run_.usage.cpu_time = context.cpu_time;
  later_facts_.look(windows_, job, meter_->phases().processes(), run_.environment);
  watch_budget(job, until);
  run_.ended = until;  // of a run that still says `running`: seen until
  if (!store_) return;
  const auto committed = [&]() -> Result<void> {
    CHECK(store_->put_run(run_));
    return store_->commit();
  }();
  if (!committed && !store_failed_) {
    store_failed_ = true;
    context_.err << "everywatt: " << committed.error().what << " (tried again every second)\n";
  }
}

void Recording::watch_budget(Job& job, Instant now) {
  if (!budget_) return;
  MicroJoules spent = 0;
  for (const Entry& entry : record_.entries) {
    const auto device = std::ranges::find(record_.devices, entry.device,
                                          [](const DeviceRecord& d) -> const std::string& { return d.device.id; });
    const bool is_charged = entry.account == Account::busy || entry.account == Account::idle;
    if (is_charged && device != record_.devices.end() && device->counted) spent += entry.energy;
  }
  for (const std::string& line : budget_->look(spent, now.steady - run_.started.steady, job)) {
    tell_terminal(line);
    note(line);
  }
}

void Recording::keep(RunDelta delta) {
  record_.devices = delta.devices;
  if (!delta.phases.empty()) record_.phases = delta.phases;
  if (!delta.ranks.empty()) record_.ranks = delta.ranks;
  if (!delta.phase_quantities.empty()) record_.phase_quantities = delta.phase_quantities;
  keep_spans(delta.spans);
  add_entries(record_.entries, delta.entries);
  std::ranges::copy(delta.gaps, std::back_inserter(record_.gaps));
  for (std::string& failure : sampler_.take_failures()) note("a sensor could not be read: " + failure);
  if (store_ && !store_->append(run_.id, std::move(delta))) store_failed_ = true;
}

void Recording::keep_spans(const std::vector<Span>& spans) {
  for (const Span& span : spans) {
    const auto same = std::ranges::lower_bound(record_.spans, span.number, {}, &Span::number);
    if (same != record_.spans.end() && same->number == span.number) {
      *same = span;
    } else {
      record_.spans.insert(same, span);
    }
  }
}

std::optional<std::string> Recording::kept_in() const {
  if (!store_ || store_failed_) return std::nullopt;
  return store_path_;
}

}  // namespace everywatt

#include "meter/meter.h"

#include <algorithm>
#include <set>

#include "meter/calibration.h"

namespace everywatt {
namespace {

constexpr std::string_view kAllPackages = "*";
// Ranks are told with the first window, every tenth and the last; how devices fared, which at that pace would be a
// third of the work of writing a run on eight GPUs, once a minute.
constexpr std::uint64_t kWindowsPerRanks = 10;
constexpr std::uint64_t kWindowsPerQuantities = 60;
// So many phases are told with each window, for whoever asks while the run goes on; more of them like ranks. So much of
// how devices fared in phases is told before the end.
constexpr std::size_t kPhasesPerWindow = 256;
constexpr std::size_t kMostPhaseQuantities = 1024;
// A window waits for its sensor at most so long before it is booked.
constexpr Nanoseconds kLongestWait = 10 * kSecond;

// Whose activity stands for the device's own.
std::string followed(const Device& device) {
  if (device.kind == DeviceKind::package) return device.id;
  if (!device.follows.empty()) return device.follows;
  const bool within_package = device.kind == DeviceKind::core || device.kind == DeviceKind::uncore;
  if (within_package && device.parent && device.parent->starts_with("package:")) return *device.parent;
  return std::string{kAllPackages};
}

// Until something is learnt: what the processor model says of an idle
// processor. Zero: nothing is said, and the lowest draw that is seen decides.
Power prior_floor(const std::vector<DeviceBooks::Candidate>& candidates) {
  for (const auto& candidate : candidates) {
    if (candidate.channel.kind == ChannelKind::model) return candidate.channel.model.at(0);
  }
  return {};
}

}  // namespace

Meter::Meter(std::span<const Inventory* const> inventories, MeterOptions options)
    : options_{std::move(options)}, election_{elect(inventories, options_.boundary)} {
  for (const Elected& elected : election_.activity) {
    const ChannelPlace place = elected.candidates.front();
    const Channel& channel = inventories[place.source]->channels[place.channel];
    activities_.push_back(
        {elected.device.id, place, channel.scale, Activity{std::max<std::size_t>(elected.device.cpus.size(), 1)}});
  }
  find_gpus(inventories);
  find_quantities(inventories);
  for (const Elected& elected : election_.devices) add_books(inventories, elected);
}

void Meter::add_books(std::span<const Inventory* const> inventories, const Elected& elected) {
  std::vector<DeviceBooks::Candidate> candidates;
  for (const ChannelPlace place : elected.candidates) {
    Channel channel = inventories[place.source]->channels[place.channel];
    auto calibration = calibration_for(channel, options_.calibrations);
    if (calibration) calibrate(channel, *calibration);
    candidates.push_back({std::move(channel), place.source, place.channel, std::move(calibration)});
    if (books_of_.size() <= place.source) books_of_.resize(place.source + 1);
    if (auto& of_source = books_of_[place.source]; of_source.empty() || of_source.back() != books_.size())
      of_source.push_back(books_.size());
  }
  const auto known = options_.floors.find(elected.device.id);
  const Floor floor = known != options_.floors.end() ? known->second : Floor{.power = prior_floor(candidates)};
  books_.emplace_back(elected.device, elected.counted, std::move(candidates), cpus_followed_by(elected.device), floor,
                      options_.tick);
  if (!elected.reason.empty()) books_.back().leave_unmetered(elected.reason);
}

void Meter::add_sources(std::span<const Inventory* const> inventories) {
  election_ = elect(inventories, options_.boundary);
  find_gpus(inventories);
  find_quantities(inventories);
  for (DeviceBooks& books : books_) {
    const auto same = std::ranges::find(election_.devices, books.device().id,
                                        [](const Elected& elected) { return elected.device.id; });
    // One that another meter turned out to hold is listed beside the sum.
    books.set_counted(same != election_.devices.end() && same->counted);
  }
  for (const Elected& elected : election_.devices) {
    const bool is_known =
        std::ranges::any_of(books_, [&](const DeviceBooks& books) { return books.device().id == elected.device.id; });
    if (is_known) continue;
    add_books(inventories, elected);
    books_.back().begin(start_.steady);
  }
}

std::vector<unsigned> Meter::cpus_followed_by(const Device& device) const {
  // One thing that works or does not, where its driver tells.
  if (device.kind == DeviceKind::gpu)
    return std::ranges::find(gpus_, device.id, &GpuUse::device) != gpus_.end() ? std::vector{0U}
                                                                               : std::vector<unsigned>{};
  const std::string whose = followed(device);
  std::vector<unsigned> cpus;
  for (const Elected& package : election_.activity) {
    if (whose == kAllPackages || whose == package.device.id) {
      cpus.insert(cpus.end(), package.device.cpus.begin(), package.device.cpus.end());
    }
  }
  return cpus;
}

Meter::Reads Meter::reads(std::size_t source) const {
  if (std::ranges::any_of(books_, [&](const auto& b) { return b.needs_ticks(source); })) return Reads::every_tick;
  if (std::ranges::any_of(gpus_, [&](const GpuUse& gpu) { return gpu.source == source; })) return Reads::every_tick;
  if (std::ranges::any_of(books_, [&](const auto& b) { return b.reads(source); })) return Reads::when_awake;
  const bool tells_work = std::ranges::any_of(activities_, [&](const auto& a) { return a.place.source == source; });
  if (tells_work) return Reads::at_edges;
  return fares_.contains(source) ? Reads::each_second : Reads::never;
}

std::vector<WorkReading> Meter::work_readings() const {
  std::vector<WorkReading> readings;
  for (const PackageActivity& package : activities_) {
    if (const auto time = package.activity.last_time())
      readings.push_back({.time = *time, .device = package.device, .worked = package.activity.last_worked()});
  }
  return readings;
}

void Meter::begin(Instant start) {
  start_ = start;
  window_start_ = start.steady;
  cpu_times_ = {{start.steady, 0}};
  cpu_told_until_ = start.steady;
  for (DeviceBooks& books : books_) books.begin(start.steady);
}

void Meter::take(std::size_t source, Stamp stamp, std::span<const Reading> readings) {
  for (const Reading& reading : readings) {
    if (gauges_.take(source, stamp, reading)) continue;
    for (PackageActivity& package : activities_) {
      if (package.place == ChannelPlace{source, reading.channel}) {
        package.activity.take(stamp.middle(), reading.raw * package.scale.numerator / package.scale.denominator);
      }
    }
    if (source >= books_of_.size()) continue;
    for (const std::size_t books : books_of_[source]) books_[books].take(source, stamp, reading);
  }
  for (GpuUse& gpu : gpus_) {
    if (gpu.source == source && !readings.empty()) take_gpu(gpu, stamp.middle(), readings);
  }
}

Hunts::Need Meter::hunts_needed(Nanoseconds time) const {
  if (std::ranges::any_of(books_, [&](const DeviceBooks& books) { return books.wants_hunt(time); }))
    return Hunts::Need::vague;
  const bool all_known = std::ranges::all_of(books_, [](const DeviceBooks& books) { return books.knows_renewals(); });
  return all_known ? Hunts::Need::none : Hunts::Need::unknown;
}

Hunts::Price Meter::price_of_hunts() const {
  const bool is_dear = std::ranges::any_of(books_, [](const DeviceBooks& books) { return books.is_dear_to_read(); });
  return is_dear ? Hunts::Price::dear : Hunts::Price::usual;
}

void Meter::note_cpu_time(Nanoseconds time, Nanoseconds cpu_time) {
  if (!cpu_times_.empty() && time <= cpu_times_.back().time) return;
  const std::int64_t least = cpu_times_.empty() ? 0 : cpu_times_.back().value;
  cpu_times_.push_back({time, std::max(cpu_time, least)});
}

Nanoseconds Meter::cpu_time_at(Nanoseconds time) const {
  const auto next = std::ranges::lower_bound(cpu_times_, time, {}, &SeriesPoint::time);
  if (next == cpu_times_.begin()) return cpu_times_.front().value;
  if (next == cpu_times_.end()) return cpu_times_.back().value;
  const SeriesPoint& a = *(next - 1);
  return a.value +
         static_cast<Nanoseconds>(static_cast<Wide>(next->value - a.value) * (time - a.time) / (next->time - a.time));
}

void Meter::take_readings_of_others(std::span<const Tenant> tenants) {
  for (const Tenant& tenant : tenants) {
    if (tenant.run == options_.run) continue;
    for (const WorkReading& reading : tenant.readings) {
      for (PackageActivity& package : activities_) {
        if (package.device == reading.device) package.activity.take_between(reading.time, reading.worked);
      }
    }
  }
}

// The run's CPU time is known for the host, not for each package: it is shared
// in proportion to how much each package worked.
std::vector<Work> Meter::share_work(Company company) {
  std::vector<std::uint64_t> weights;
  for (const PackageActivity& package : activities_) {
    weights.push_back(static_cast<std::uint64_t>(package.activity.worked_since_close()));
  }
  if (std::ranges::all_of(weights, [](auto weight) { return weight == 0; })) {
    for (std::size_t i = 0; i < weights.size(); ++i) weights[i] = activities_[i].activity.cpus();
  }
  const auto shares = split(cpu_times_.back().value - cpu_times_.front().value, weights);
  std::vector<Work> work;
  for (std::size_t i = 0; i < activities_.size(); ++i) {
    work.push_back(activities_[i].activity.close(shares[i], company, [&](const Activity::Piece& piece) {
      return cpu_time_at(piece.end) - cpu_time_at(piece.begin);
    }));
  }
  return work;
}

Work Meter::work_of(const DeviceBooks& books, const std::vector<Work>& packages) const {
  const std::string whose = followed(books.device());
  Work sum;
  for (std::size_t i = 0; i < packages.size(); ++i) {
    if (whose != kAllPackages && whose != activities_[i].device) continue;
    for (std::size_t k = 0; k < packages[i].size(); ++k) {
      // Packages are read in one call, so that their pieces have the same edges.
      if (k < sum.size()) {
        sum[k].worked += packages[i][k].worked;
        sum[k].ours += packages[i][k].ours;
      } else {
        sum.push_back(packages[i][k]);
      }
    }
  }
  return sum;
}

RunDelta Meter::close(const WindowContext& context, DeviceBooks::Close close) {
  RunDelta delta;
  delta.entries.reserve(kAccounts.size() * books_.size());  // of a run without phases
  const bool was_read = std::ranges::any_of(activities_, [&](const auto& package) {
    return package.activity.last_time() && *package.activity.last_time() > window_start_;
  });
  std::vector<Work> packages(activities_.size());
  note_cpu_time(context.until.steady, context.cpu_time);
  note_cpu_time_of_phases();
  if (was_read) {
    take_readings_of_others(context.tenants);
    packages = share_work(company_of(options_.run, context.tenants, window_start_, context.until.steady));
    cpu_times_.erase(cpu_times_.begin(), cpu_times_.end() - 1);
  }
  std::map<std::string, Work> gpus;
  for (GpuUse& gpu : gpus_) {
    if (close == DeviceBooks::Close::end) gpu.activity.finish();
    gpus[gpu.device] = gpu.activity.close();
  }
  note_first_gpu_work(gpus, delta);
  note_gpu_work_of_processes(context.until.steady);
  note_phase_quantities(gpus);
  const std::int64_t minute = (start_.wall + (window_start_ - start_.steady)) / (60 * kSecond);
  const Surroundings around{.until = context.until.steady,
                            .minute = minute,
                            .run = options_.run,
                            .tenants = context.tenants,
                            .agreed = context.agreed,
                            .phases = phases_};
  for (DeviceBooks& books : books_) {
    const Work* gpu = gpu_work(books, gpus);
    if (const auto use = std::ranges::find(gpus_, books.device().id, &GpuUse::device);
        use != gpus_.end() && use->activity.saw_unknown())
      books.flag("pids-not-visible");
    const bool is_gpu = books.device().kind == DeviceKind::gpu;
    books.close(gpu ? *gpu : is_gpu ? Work{} : work_of(books, packages), around, close, delta);
    add_gaps(books, delta);
  }
  delta.devices = records();
  const bool is_end = close == DeviceBooks::Close::end;
  const bool tells_ranks = windows_ % kWindowsPerRanks == 0 || is_end;
  const bool tells_quantities = windows_ % kWindowsPerQuantities == 0 || is_end;
  ++windows_;
  for (DeviceRecord& record : delta.devices) {
    if (tells_quantities) {
      record.quantities = gauges_.records(record.device.id);
    } else {
      record.checks.clear();
    }
  }
  auto phases = phases_.stats(context.until.steady);
  if (tells_ranks || phases.size() <= kPhasesPerWindow) delta.phases = std::move(phases);
  if (tells_ranks)
    delta.ranks = ranks_.records(context.until.steady,
                                 phases_.charges([this](const std::string& device) { return is_counted(device); }));
  if (tells_quantities) {
    auto quantities = phase_quantities(delta.devices);
    if (is_end || quantities.size() <= kMostPhaseQuantities) delta.phase_quantities = std::move(quantities);
  }
  delta.spans = take_spans(is_end ? context.until.steady : booked_until());
  phases_.forget_before(window_start_ - kLongestWait);
  window_start_ = context.until.steady;
  return delta;
}

bool Meter::is_counted(const std::string& device) const {
  const auto books = std::ranges::find(books_, device, [](const DeviceBooks& b) { return b.device().id; });
  return books != books_.end() && books->is_counted();
}

// A window waits for the slowest of the sensors that are booked.
Nanoseconds Meter::booked_until() const {
  Nanoseconds until = window_start_;
  for (const DeviceBooks& books : books_) {
    if (books.is_counted()) until = std::min(until, books.booked_until().value_or(until));
  }
  return until;
}

std::vector<Span> Meter::take_spans(Nanoseconds booked_until) {
  return phases_.take_spans(booked_until, [this](const std::string& device) { return is_counted(device); });
}

RunDelta Meter::close_window(const WindowContext& context) { return close(context, DeviceBooks::Close::window); }
RunDelta Meter::finish(const WindowContext& context) { return close(context, DeviceBooks::Close::end); }

void Meter::add_gaps(DeviceBooks& books, RunDelta& into) const {
  for (Silence& silence : books.take_silences()) {
    const Nanoseconds from = std::max(silence.from, start_.steady);
    if (silence.to <= from) continue;
    into.gaps.push_back({.device = books.device().id,
                         .started_wall = start_.wall + (from - start_.steady),
                         .length = silence.to - from,
                         .reason = std::move(silence.reason)});
  }
}

std::vector<DeviceRecord> Meter::records() const {
  std::vector<DeviceRecord> records;
  records.reserve(books_.size());
  for (const DeviceBooks& books : books_) records.push_back(books.record());
  return records;
}

std::vector<ProposedFloor> Meter::floors() const {
  std::vector<ProposedFloor> floors;
  floors.reserve(books_.size());
  for (const DeviceBooks& books : books_) {
    if (const Power floor = books.floor().power; floor > Power{}) floors.push_back({books.device().id, floor});
  }
  return floors;
}

std::map<std::string, Floor> Meter::learnt_floors() const {
  std::map<std::string, Floor> floors;
  for (const DeviceBooks& books : books_) {
    if (const auto floor = books.learnt_floor()) floors[books.device().id] = *floor;
  }
  return floors;
}

std::vector<Meter::Rebooking> Meter::rebookings() const {
  std::vector<Rebooking> all;
  for (const DeviceBooks& books : books_) {
    if (books.wants_rebooking())
      all.push_back({.device = books.device().id,
                     .cpus = books.cpus().size(),
                     .is_sliced = !books.device().slices.empty(),
                     .is_blurred = books.is_blurred(),
                     .floors = books.floors()});
  }
  return all;
}

}  // namespace everywatt

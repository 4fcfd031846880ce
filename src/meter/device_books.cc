#include "meter/device_books.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

namespace everywatt {
namespace {

// A counter that has not moved for this long does not count; RAPL moves every millisecond.
constexpr Nanoseconds kProbation = 3 * kSecond;
constexpr Nanoseconds kShortestProof = 200 * kMillisecond;
// A GPU's work is told a sixth of a second at a time; a reading can be taken for the renewal beside its own.
constexpr Nanoseconds kGpuWhole = 2 * kSecond;
constexpr double kGpuSpread = 0.01;     // its work is told exactly
constexpr std::size_t kMostPast = 120;  // windows that can be booked anew
// A sensor silent for this long at the end of a run was lost.
constexpr Nanoseconds kUnseenEdge = kSecond;
// What precedes the first reading by less is taken to be like it; by more it is not known, and worth a line on the
// bill.
constexpr Nanoseconds kUnseenStart = 300 * kMillisecond;

constexpr IdleShare kNobody{.ours = 0, .unreserved = kWholeDevice};

// Between the run and others, both by more than a word of work is off.
bool is_divided(const Activity::Piece& work) {
  const Nanoseconds least = work.worked / 50;
  return work.ours > least && work.ours < work.worked - least;
}

}  // namespace

FloorLearner learner_of(DeviceKind kind, Floor before, Power most) {
  return kind == DeviceKind::gpu ? FloorLearner{before, FloorLearner::kStretch, kGpuWhole, kGpuSpread, most}
                                 : FloorLearner{before};
}

bool is_by_share(bool is_gpu, bool is_sliced, bool is_work_known, const IdleShare& share) {
  return is_gpu && !is_work_known && (is_sliced || share.ours >= kWholeDevice);
}

Accounts book_for_run(const WindowFacts& facts) {
  // What other runs reserve stands as one more run that does no work of its own here.
  const std::uint64_t others = kWholeDevice - std::min(kWholeDevice, facts.share.ours + facts.share.unreserved);
  const Window window{.energy = facts.energy,
                      .length = facts.length,
                      .capacity = facts.length * static_cast<Nanoseconds>(facts.cpus),
                      .worked = facts.cpus > 0 ? facts.worked : std::nullopt,
                      .floor = facts.floor,
                      .unreserved = facts.share.unreserved,
                      .by_share = facts.by_share,
                      .worked_beside = facts.worked_beside};
  const std::array uses{Use{.busy = facts.ours, .reserved = facts.share.ours, .beside = facts.ours_beside},
                        Use{.busy = 0, .reserved = others}};
  return book(window, uses).seen_by(0);
}

DeviceBooks::DeviceBooks(Device device, bool counted, std::vector<Candidate> candidates, std::vector<unsigned> cpus,
                         Floor floor, Nanoseconds tick)
    : device_{std::move(device)},
      counted_{counted},
      cpus_{std::move(cpus)},
      learner_{learner_of(device_.kind, floor, candidates.empty() ? Power{} : candidates.front().channel.most)},
      first_floor_{floor} {
  for (Candidate& candidate : candidates) {
    std::optional<ChannelMeter> sensor;
    if (candidate.channel.kind != ChannelKind::model) sensor.emplace(candidate.channel, tick);
    meters_.push_back({.candidate = std::move(candidate), .sensor = std::move(sensor)});
  }
}

// The elected sensor, and one that measures in another way to check it by.
bool DeviceBooks::reads(const Meter& meter, std::size_t source) const {
  if (!meter.sensor || meter.candidate.source != source) return false;
  return &meter == &meters_.front() || meter.candidate.channel.method != elected().candidate.channel.method;
}

bool DeviceBooks::reads(std::size_t source) const {
  return std::ranges::any_of(meters_, [&](const Meter& meter) { return reads(meter, source); });
}

bool DeviceBooks::needs_ticks(std::size_t source) const {
  return std::ranges::any_of(
      meters_, [&](const Meter& meter) { return reads(meter, source) && !meter.sensor->counts_at_once(); });
}

void DeviceBooks::begin(Nanoseconds start) {
  start_ = until_ = start;
  for (Meter& meter : meters_) {
    if (!meter.sensor) meter.modelled.append(start, 0);
  }
}

void DeviceBooks::take(std::size_t source, Stamp stamp, const Reading& reading) {
  for (Meter& meter : meters_) {
    if (!meter.sensor || meter.candidate.source != source || meter.candidate.place != reading.channel) continue;
    if (reading.stamped) stamp = {*reading.stamped, *reading.stamped};
    meter.sensor->take(stamp, reading.raw);
    const bool shows_floor = is_dear_to_read()
                                 ? &meter == power_beside_counter()
                                 : &meter == &elected() && meter.candidate.channel.kind == ChannelKind::power;
    if (gpu_floor_ && shows_floor)
      gpu_floor_->take_power(meter.sensor->last_time(), meter.sensor->last_watts(),
                             meter.sensor->is_last_placed() ? GpuFloor::Time::placed : GpuFloor::Time::guessed);
    return;
  }
}

void DeviceBooks::take_utilisation(double share) {
  for (Meter& meter : meters_) {
    if (meter.sensor) meter.sensor->take_utilisation(share);
  }
}

void DeviceBooks::take_step(Nanoseconds end) {
  for (Meter& meter : meters_) {
    if (meter.sensor) meter.sensor->take_step(end);
  }
}

void DeviceBooks::model(const Work& work) {
  const auto cpus = static_cast<double>(cpus_.size());
  for (Meter& meter : meters_) {
    if (meter.sensor || cpus == 0) continue;
    for (const Activity::Piece& piece : work) {
      if (piece.end <= meter.modelled.points().back().time) continue;
      const Nanoseconds begin = std::max(piece.begin, meter.modelled.points().back().time);
      const auto length = static_cast<double>(piece.end - begin);
      const double utilisation =
          std::min(1.0, static_cast<double>(piece.worked) / (static_cast<double>(piece.end - piece.begin) * cpus));
      const Power power = meter.candidate.channel.model.at(utilisation);
      meter.modelled_microjoules += (power / watt) * length / 1e3;
      const auto total = std::max(meter.modelled.points().back().total,
                                  static_cast<MicroJoules>(std::llround(meter.modelled_microjoules)));
      meter.modelled.append(piece.end, total);
    }
  }
}

// False while the elected counter has not yet moved: nothing is booked until it
// has, or until it is deposed for the next best.
bool DeviceBooks::settle_election(Nanoseconds until, Close close) {
  while (!settled_) {
    if (meters_.empty()) return false;
    const Meter& first = elected();
    const Nanoseconds watched = until - start_;
    if (first.sensor && first.sensor->readings() < 2) {
      if (close == Close::window && watched < kProbation) return false;
      reason_ = first.candidate.channel.sensor + " gave no two readings";
      flag("no-readings");
    } else if (first.sensor && first.sensor->is_stuck()) {
      if (close == Close::window && watched < kProbation) return false;
      const bool too_short = watched < kShortestProof;
      reason_ = first.candidate.channel.sensor +
                (too_short ? " did not move in so short a time" : " did not move: its counter is stuck");
      flag(too_short ? "too-short" : "counter-stuck");
    } else {
      settled_ = true;
      if (elected().sensor) elected().sensor->watch_aliasing();
      watch_floor();
      if (first.sensor) std::erase_if(meters_, [](const Meter& m) { return !m.sensor; });
      break;
    }
    meters_.erase(meters_.begin());
  }
  if (!booking_) {
    booking_ = true;
    if (elected().sensor) elected().sensor->settle();
    note_unseen_start();
    booked_at_ = elected().curve().at(start_);
    emitted_more_ = std::max<MicroJoules>(0, -booked_at_);
  }
  return true;
}

void DeviceBooks::close(const Work& work, const Surroundings& around, Close close, RunDelta& into) {
  const Nanoseconds until = around.until;
  if (meters_.empty()) return;  // nothing tells what it draws
  model(work);
  take_work(work, until, close);
  if (until <= until_ || !settle_election(until, close)) return;
  // Of those that are not elected nobody wants to know.
  for (Meter& meter : meters_) {
    if (!meter.sensor) continue;
    std::vector<Silence> silences = meter.sensor->take_silences();
    if (&meter == &elected()) std::ranges::move(silences, std::back_inserter(silences_));
  }
  if (close == Close::end) note_unseen_edges(until);
  if (Meter& meter = elected(); close == Close::end && meter.sensor) meter.sensor->finish(until);
  edges_.push_back({until, around.minute});
  const bool told = cpus_.empty() || !pending_.empty();
  if (close == Close::window && !told) return;
  if (gpu_floor_) gpu_floor_->learn(elected().curve(), learner_);
  if (close == Close::end) learner_.finish();
  // A sensor that lags has not reached this window's end yet, but that of the one before.
  const bool was_booked = book_up_to(close == Close::end ? until : reach(), around, into);
  if (!was_booked) return;
  watch_counter(into);
  follow_comparisons();
  emit_curve(into);
  const Nanoseconds oldest = past_.empty() ? until : past_.front().from;
  const Nanoseconds needed = gpu_floor_ ? std::min(until_, gpu_floor_->needs_from()) : until_;
  for (Meter& meter : meters_) {
    const bool is_elected = &meter == &elected();
    (meter.sensor ? meter.sensor->curve() : meter.modelled).forget_before(is_elected ? needed : oldest);
  }
}

void DeviceBooks::end_startup(Nanoseconds until, RunDelta& into) {
  for (Past& past : past_) {
    for (Entry& entry : past.entries) {
      if (past.to <= until && entry.phase.empty()) entry.phase = kStartup;
    }
  }
  std::ranges::move(startup_.end(device_.id, until), std::back_inserter(into.entries));
}

// The windows that end by then; false: none does.
bool DeviceBooks::book_up_to(Nanoseconds reached, const Surroundings& around, RunDelta& into) {
  bool any = false;
  for (; !edges_.empty() && edges_.front().until <= reached; edges_.pop_front()) {
    const Edge edge = edges_.front();
    Surroundings window = around;
    window.until = edge.until;
    window.minute = edge.minute;
    // Cut where someone came or went: everyone's windows have the same edges
    // there, or shares of different stretches would not sum to one.
    std::vector<Nanoseconds> cuts{edge.until};
    for (const Tenant& tenant : around.tenants) {
      for (const Nanoseconds cut : {tenant.from, tenant.to.value_or(edge.until)}) {
        if (cut > until_ && cut < edge.until) cuts.push_back(cut);
      }
    }
    // Before a sensor came up nothing is known, idleness neither.
    if (const Nanoseconds seen = seen_from(); seen - until_ >= kUnseenStart && seen < edge.until) cuts.push_back(seen);
    std::ranges::sort(cuts);
    for (const Nanoseconds cut : cuts) {
      if (cut > until_) book(cut, window, into);
    }
    any = true;
  }
  return any;
}

// A sensor that came up much later did not see what was drawn before.
void DeviceBooks::note_unseen_start() {
  const auto& points = elected().curve().points();
  if (!elected().sensor || points.empty() || points.front().time <= start_) return;
  const Nanoseconds late = points.front().time - start_;
  if (late < kUnseenStart) return elected().sensor->reach_back(start_);
  unseen_ += late;
  silences_.push_back({start_, points.front().time, "the sensor was not up yet: what was drawn before is not known"});
}

// What no reading reached after the last one.
void DeviceBooks::note_unseen_edges(Nanoseconds until) {
  const Meter& meter = elected();
  if (!meter.sensor || meter.curve().empty()) return;
  const Nanoseconds last = meter.sensor->last_time();
  if (until - last > kUnseenEdge) {
    flag("sensor-lost");
    silences_.push_back({last, until, "no reading any more until the end"});
    unseen_ += until - last;
  }
}

void DeviceBooks::book(Nanoseconds until, const Surroundings& around, RunDelta& into) {
  const EnergyCurve& curve = elected().curve();
  // Runs that share the host end their windows alike.
  const bool is_alone = company_of(around.run, around.tenants, until_, until) == Company::alone;
  const MicroJoules total = std::max(booked_at_, is_alone ? total_by(until) : curve.at(until));
  const MicroJoules energy = total - booked_at_;
  const Nanoseconds length = until - until_;
  const bool has_pieces = !pending_.empty();
  const Activity::Piece work = take_pending(until);
  const bool known = has_pieces && work.is_told;
  const auto worked = known ? std::optional{work.worked} : std::nullopt;
  const double capacity = static_cast<double>(length) * static_cast<double>(cpus_.size());
  const double utilisation = capacity > 0 ? std::min(1.0, static_cast<double>(work.worked) / capacity) : 0;
  if (elected().sensor && worked && !cpus_.empty() && !is_gpu()) {
    learner_.observe(static_cast<double>(energy) * microjoule, length, utilisation);
  }

  const IdleShare share =
      is_gpu() ? gpu_idle_share(device_, has_pieces ? work.held : kNobody, around.tenants, around.run, until_, until)
               : idle_share(cpus_, around.tenants, around.run, until_, until);
  const Power draw = static_cast<double>(energy) * microjoule / (static_cast<double>(length) * 1e-9 * second);
  const Power from_window = FloorLearner::prior_below(draw, utilisation, is_gpu() ? most() : Power{});
  const std::optional<Power> shared = shared_floor(until, around, from_window);
  const Floors own = own_floors(from_window);
  const bool rests = work.rested > (length - std::min(length, work.worked)) / 2;
  const WindowFacts facts{.energy = energy,
                          .length = length,
                          .cpus = cpus_.size(),
                          .worked = worked,
                          .ours = work.ours,
                          .share = share,
                          .floor = shared.value_or(rests ? own.resting : own.ready),
                          .by_share = is_by_share(is_gpu(), !device_.slices.empty(), worked.has_value(), share),
                          .worked_beside = is_blurred() ? last_work_.worked : 0,
                          .ours_beside = is_blurred() ? last_work_.ours : 0};
  const Accounts accounts = book_for_run(facts);
  booked_ += accounts;
  auto entries = around.phases.entries(device_.id, accounts, curve, until_, until, around.minute);
  startup_.add({until_, until, around.minute, outside_phases(entries)});
  std::ranges::copy(entries, std::back_inserter(into.entries));
  past_.push_back({.from = until_,
                   .to = until,
                   .minute = around.minute,
                   .facts = facts,
                   .accounts = accounts,
                   .entries = std::move(entries),
                   .is_shared = shared.has_value(),
                   .is_observed = curve.observed(until_, until) >= length});
  if (past_.size() > kMostPast) past_.pop_front();
  if (!shared) (rests ? resting_used_ : ready_used_).note(facts.floor / watt);
  last_work_ = work;

  work_was_told_ |= worked.has_value();
  work_was_divided_ |= is_gpu() && device_.slices.empty() && is_divided(work);
  work_was_missed_ |= !worked && energy > 0;  // not before its sensor came up
  worked_ += worked.value_or(0);
  ours_ += work.ours;
  observed_ += curve.observed(until_, until);
  reserved_time_ += static_cast<Nanoseconds>(static_cast<Wide>(facts.length) * share.ours / kWholeDevice);
  auto& series = series_in(into);
  const auto track = [&](Track which, std::int64_t first, std::int64_t value) {
    if (until_ == start_) series[which].push_back({start_, first});
    series[which].push_back({until, value});
  };
  track(Track::worked, worked ? 0 : -1, worked ? worked_ : -1);
  track(Track::ours, 0, ours_);
  track(Track::reserved, 0, static_cast<std::int64_t>(share.ours));
  track(Track::unreserved, 0, static_cast<std::int64_t>(share.unreserved));
  track(Track::floor, kReady, shared ? std::llround(*shared / watt * 1e6) : rests ? kResting : kReady);

  booked_at_ = total;
  booked_edges_.push_back({until, total});
  until_ = until;
}

// Up to what is booked: with the edges of its windows, as they were placed.
void DeviceBooks::emit_curve(RunDelta& into) {
  auto& points = series_in(into)[Track::energy];
  const auto& curve = elected().curve().points();
  auto point = std::ranges::upper_bound(curve, emitted_, {}, &EnergyCurve::Point::time);
  for (const SeriesPoint& edge : std::exchange(booked_edges_, {})) {
    for (; point != curve.end() && point->time <= edge.time; ++point) {
      if (point->time < edge.time) points.push_back({point->time, point->total + emitted_more_});
    }
    points.push_back({edge.time, edge.value + emitted_more_});
  }
  if (points.empty()) return;
  emitted_ = points.back().time;
  emitted_total_ = points.back().value;
}

// Devices close one after the other: ours is the last or not there yet.
Tracks& DeviceBooks::series_in(RunDelta& into) const {
  if (into.series.empty() || into.series.back().device != device_.id) into.series.push_back({.device = device_.id});
  return into.series.back().points;
}

std::vector<Silence> DeviceBooks::take_silences() { return std::exchange(silences_, {}); }

}  // namespace everywatt

#include "meter/sampler.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace everywatt {
namespace {

// Failures are told once each; a text that changes every tick must not fill the memory.
constexpr std::size_t kMostFailures = 64;

SourceState::Kind state_of(Errc code) {
  if (code == Errc::absent) return SourceState::Kind::absent;
  if (code == Errc::denied) return SourceState::Kind::denied;
  return SourceState::Kind::broken;
}

}  // namespace

Sampler::Sampler(std::span<const SourceKind> kinds, const Roots& roots, Slow slow) {
  for (std::size_t family = 0; family < kinds.size(); ++family) {
    const SourceKind& kind = kinds[family];
    states_.push_back({.name = std::string{kind.name}, .help = std::string{kind.help}});
    if (kind.open) {
      auto source = kind.open(roots);
      note_state(family, source ? Result<void>{} : std::unexpected{source.error()});
      if (source) owned_.push_back(*std::move(source));
      continue;
    }
    auto open = kind.find(roots);
    if (!open) {
      note_state(family, std::unexpected{std::move(open).error()});
    } else if (slow == Slow::here) {
      open_here(family, *open);
    } else {
      states_.back().kind = SourceState::Kind::starting;
      if (!side_) side_ = std::make_unique<SideReader>();
      side_->open(family, *std::move(open));
      reads_beside_ = true;
    }
  }
  for (const auto& source : owned_) sources_.push_back(source.get());
}

void Sampler::open_here(std::size_t family, const SlowOpen& open) {
  auto devices = open();
  note_state(family, devices ? Result<void>{} : std::unexpected{devices.error()});
  if (!devices) return;
  for (const SlowDevice& device : *devices) {
    if (auto source = device.open()) {
      owned_.push_back(*std::move(source));
    } else {
      states_[family].missing.push_back({device.name, source.error().what});
    }
  }
}

void Sampler::note_state(std::size_t family, const Result<void>& opened) {
  SourceState& state = states_[family];
  state.kind = opened ? SourceState::Kind::open : state_of(opened.error().code);
  state.why = opened ? "" : opened.error().what;
}

std::vector<const Inventory*> Sampler::inventories() const {
  std::vector<const Inventory*> all;
  for (const Source* source : sources_) all.push_back(&source->inventory());
  return all;
}

bool Sampler::take_arrivals() {
  if (!side_) return false;
  const std::vector<SideReader::Opened> answers = side_->take_opened();
  for (const SideReader::Opened& opened : answers) {
    if (opened.device.empty() && !opened.source) note_state(opened.family, std::unexpected{opened.source.error()});
    if (!opened.source || !*opened.source) continue;
    sources_.push_back(*opened.source);
    beside_.insert(*opened.source);
    note_state(opened.family, {});
  }
  note_missing();
  return !answers.empty();
}

// A family whose devices all refused is in the state of the first.
void Sampler::note_missing() {
  const std::vector<SideReader::Missing> all = side_->missing();
  for (std::size_t family = 0; family < states_.size(); ++family) {
    SourceState& state = states_[family];
    state.missing.clear();
    const Error* refusal = nullptr;
    bool have_all_refused = true;
    for (const SideReader::Missing& missing : all) {
      if (missing.family != family) continue;
      have_all_refused &= missing.refusal.has_value();
      if (missing.device.empty()) continue;
      if (missing.refusal && !refusal) refusal = &*missing.refusal;
      state.missing.push_back({missing.device, missing.refusal ? missing.refusal->what : ""});
    }
    if (state.kind == SourceState::Kind::starting && refusal && have_all_refused)
      note_state(family, fail(refusal->code, state.missing.front().device + ": " + refusal->what));
  }
}

void Sampler::wait_for_arrivals(Nanoseconds patience) {
  if (side_) (void)side_->wait(SideReader::For::openings, RealClock{}.now().steady + patience);
  (void)take_arrivals();
}

void Sampler::note(const Result<void>& outcome) {
  if (outcome) return;
  const std::string& what = outcome.error().what;
  if (failures_.size() < kMostFailures && failures_[what]++ == 0) new_failures_.push_back(what);
}

void Sampler::call(Clock& clock, std::size_t source, Nanoseconds& before) {
  const std::size_t had = readings_.size();
  const auto sampled = sources_[source]->sample(readings_);
  const Nanoseconds after = clock.now().steady;
  calls_.push_back({source, {before, after}, readings_.size() - had});
  before = after;
  note(sampled);
}

void Sampler::take_from_beside() {
  side_->take(batch_);
  std::span<const Reading> rest{batch_.readings};
  for (const SideReader::Call& call : batch_.calls) {
    const auto readings = rest.first(call.readings);
    rest = rest.subspan(call.readings);
    const auto at = std::ranges::find(sources_, call.source);
    if (at == sources_.end()) continue;  // it came up since the last look
    calls_.push_back({static_cast<std::size_t>(at - sources_.begin()), call.stamp, call.readings});
    std::ranges::copy(readings, std::back_inserter(readings_));
    note(call.outcome);
  }
}

void Sampler::sample_tick(Clock& clock) {
  Nanoseconds before = clock.now().steady;
  for (const std::size_t source : ticking_) call(clock, source, before);
  if (!side_) return;
  take_from_beside();
  ask_beside(Edge::usual);
}

// What is read at each tick is read without being asked for.
void Sampler::ask_beside(Edge edge) {
  side_->keep_pace(reads_beside_ ? kTick : 0);
  if (!reads_beside_ || edge == Edge::last) side_->request();
}

void Sampler::hunt() {
  if (side_) side_->request(SideReader::Look::hunt);
}

Sampler::Pace Sampler::pace() const {
  if (side_ && side_->is_opening()) return Pace::ticks;  // what comes up is looked at without delay
  if (side_ && side_->is_held_up()) return Pace::ticks;  // another reader is appointed without delay
  return reads_beside_ ? std::min(pace_, Pace::leisurely) : pace_;
}

bool Sampler::is_due(Meter::Reads reads, std::size_t source, Nanoseconds now, Edge edge) {
  if (reads != Meter::Reads::each_second) return reads != Meter::Reads::never;
  const Nanoseconds now_second = now / kSecond;
  const auto [at, is_first] = seconds_read_.try_emplace(source, now_second);
  if (!is_first && at->second == now_second && edge != Edge::last) return false;
  at->second = now_second;
  return true;
}

void Sampler::sample_edge(Clock& clock, Meter& meter, Nanoseconds patience) {
  Nanoseconds before = clock.now().steady;
  const Edge edge = patience > 0 ? Edge::last : Edge::usual;
  for (std::size_t i = 0; i < sources_.size(); ++i) {
    if (!beside_.contains(sources_[i]) && is_due(meter.reads(i), i, before, edge)) call(clock, i, before);
  }
  if (side_) {
    take_from_beside();
    ask_beside(edge);
    if (patience > 0) {
      (void)side_->wait(SideReader::For::readings, RealClock{}.now().steady + patience);
      take_from_beside();
    }
  }
  std::span<const Reading> rest{readings_};
  for (const Call& call : calls_) {
    meter.take(call.source, call.stamp, rest.first(call.readings));
    rest = rest.subspan(call.readings);
  }
  calls_.clear();
  readings_.clear();
  ticking_.clear();
  pace_ = Pace::edges;
  reads_beside_ = side_ && !side_->missing().empty();
  for (std::size_t i = 0; i < sources_.size(); ++i) {
    const Meter::Reads reads = meter.reads(i);
    if (reads < Meter::Reads::when_awake) continue;
    if (beside_.contains(sources_[i])) {
      reads_beside_ = true;
    } else {
      ticking_.push_back(i);
      pace_ = std::min(pace_, reads == Meter::Reads::every_tick ? Pace::ticks : Pace::leisurely);
    }
  }
}

std::vector<std::string> Sampler::take_failures() { return std::exchange(new_failures_, {}); }

}  // namespace everywatt

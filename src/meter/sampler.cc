#include "meter/sampler.h"

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

Sampler::Sampler(std::span<const SourceKind> kinds, const Roots& roots) {
  for (const SourceKind& kind : kinds) {
    SourceState state{.name = std::string{kind.name}, .help = std::string{kind.help}};
    if (auto source = kind.open(roots)) {
      state.kind = SourceState::Kind::open;
      sources_.push_back(*std::move(source));
    } else {
      state.kind = state_of(source.error().code);
      state.why = std::move(source).error().what;
    }
    states_.push_back(std::move(state));
  }
}

std::vector<const Inventory*> Sampler::inventories() const {
  std::vector<const Inventory*> all;
  for (const auto& source : sources_) all.push_back(&source->inventory());
  return all;
}

void Sampler::call(Clock& clock, std::size_t source, Nanoseconds& before) {
  const std::size_t had = readings_.size();
  const auto sampled = sources_[source]->sample(readings_);
  const Nanoseconds after = clock.now().steady;
  calls_.push_back({source, {before, after}, readings_.size() - had});
  before = after;
  if (sampled) return;
  const std::string& what = sampled.error().what;
  if (failures_.size() < kMostFailures && failures_[what]++ == 0) new_failures_.push_back(what);
}

void Sampler::sample_tick(Clock& clock) {
  Nanoseconds before = clock.now().steady;
  for (const std::size_t source : ticking_) call(clock, source, before);
}

void Sampler::sample_edge(Clock& clock, Meter& meter) {
  Nanoseconds before = clock.now().steady;
  for (std::size_t i = 0; i < sources_.size(); ++i) {
    if (meter.reads(i) != Meter::Reads::never) call(clock, i, before);
  }
  std::span<const Reading> rest{readings_};
  for (const Call& call : calls_) {
    meter.take(call.source, call.stamp, rest.first(call.readings));
    rest = rest.subspan(call.readings);
  }
  calls_.clear();
  readings_.clear();
  ticking_.clear();
  for (std::size_t i = 0; i < sources_.size(); ++i) {
    if (meter.reads(i) == Meter::Reads::every_tick) ticking_.push_back(i);
  }
}

std::vector<std::string> Sampler::take_failures() { return std::exchange(new_failures_, {}); }

}  // namespace everywatt

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

bool Sampler::has_ticks(const Meter& meter) const {
  for (std::size_t i = 0; i < sources_.size(); ++i) {
    if (meter.reads(i) == Meter::Reads::every_tick) return true;
  }
  return false;
}

void Sampler::sample(Clock& clock, Meter& meter, At at) {
  const auto least = at == At::edge ? Meter::Reads::at_edges : Meter::Reads::every_tick;
  Nanoseconds before = clock.now().steady;
  for (std::size_t i = 0; i < sources_.size(); ++i) {
    if (meter.reads(i) < least) continue;
    readings_.clear();
    const auto sampled = sources_[i]->sample(readings_);
    const Nanoseconds after = clock.now().steady;
    meter.take(i, {before, after}, readings_);
    before = after;
    if (sampled) continue;
    const std::string& what = sampled.error().what;
    if (failures_.size() < kMostFailures && failures_[what]++ == 0) new_failures_.push_back(what);
  }
}

std::vector<std::string> Sampler::take_failures() { return std::exchange(new_failures_, {}); }

}  // namespace everywatt

// What a run has to say of its sensors: which there are, which came up later, and which did not.
#include <algorithm>

#include "cli/recording.h"

namespace everywatt {

void Recording::note_sources() {
  for (const SourceState& state : sampler_.states()) {
    const bool is_shut = state.kind == SourceState::Kind::denied || state.kind == SourceState::Kind::broken;
    if (is_shut && state.missing.empty())  // what is missing may still come up
      note(state.name + ": " + state.why);
  }
  for (const Inventory* inventory : sampler_.inventories()) {
    for (const auto& [key, value] : inventory->facts) {
      if (!value.empty()) run_.environment[key] = value;
    }
  }
}

// Sources whose library took its time.
void Recording::take_arrivals() {
  if (!sampler_.take_arrivals()) return;
  hunts_.begin_anew();  // of registers that nobody has seen yet
  meter_->add_sources(sampler_.inventories());
  reserved_ = false;  // which GPUs are there was not known
  note_sources();
}

// As of now: a run that is killed has no other word of them.
void Recording::note_missing() {
  for (const std::string& line : missing_) std::erase(run_.notices, line);
  missing_.clear();
  for (const SourceState& state : sampler_.states()) {
    if (state.kind == SourceState::Kind::starting && state.missing.empty())
      missing_.push_back(state.name + ": its library had not started before the end");
    for (const SourceState::Missing& missing : state.missing)
      missing_.push_back(state.name + ": " + missing.device + " is not measured: " +
                         (missing.refusal.empty() ? "it did not answer before the end" : missing.refusal));
  }
  for (const std::string& line : missing_) note(line);
}

}  // namespace everywatt

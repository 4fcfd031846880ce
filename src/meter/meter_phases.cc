// The part of the meter that says what devices, and the run's processes, did in each phase.
#include <algorithm>
#include <variant>

#include "meter/meter.h"

namespace everywatt {

void Meter::find_quantities(std::span<const Inventory* const> inventories) {
  gauges_.add_sources(inventories);
  for (std::size_t source = 0; source < inventories.size(); ++source) {
    const bool tells = std::ranges::any_of(inventories[source]->quantities,
                                           [](const QuantityChannel& quantity) { return !quantity.missing; });
    if (tells) fares_.insert(source);
  }
}

void Meter::take(const Mark& mark) {
  phases_.take(mark);
  ranks_.take(mark);
  const ProcessKey& process = mark.lane.process;
  if (std::holds_alternative<ProcessEnd>(mark.what) && stepping_ == process) stepping_.reset();
  if (!std::holds_alternative<StepMark>(mark.what)) return;
  if (!stepping_) stepping_ = process;
  if (stepping_ != process) return;
  for (DeviceBooks& books : books_) books.take_step(mark.time);
}

// What lies before the run's start is none of its phases.
void Meter::add_look(PhaseQuantities::Look look) {
  const Nanoseconds from = std::max(look.from, start_.steady);
  if (look.to <= from) return;
  look.amount *= static_cast<double>(look.to - from) / static_cast<double>(look.to - look.from);
  look.from = from;
  phase_quantities_.add(look, phases_);
}

void Meter::note_phase_quantities(const std::map<std::string, Work>& gpus) {
  gauges_.tell_steps([this](const Gauges::Told& told) {
    const QuantityChannel& channel = gauges_.channel_of(told);
    add_look({.device = channel.device,
              .name = channel.name,
              .from = told.step.from,
              .to = told.step.to,
              .amount = told.step.amount});
  });
  for (const auto& [device, work] : gpus) {
    for (const Activity::Piece& piece : work) {
      if (!piece.is_told || piece.end <= piece.begin) continue;
      add_look({.device = device,
                .name = kGpuWork,
                .from = piece.begin,
                .to = piece.end,
                .amount = static_cast<double>(piece.ours) / 1e9});
    }
  }
}

void Meter::note_cpu_time_of_phases() {
  for (std::size_t i = 1; i < cpu_times_.size(); ++i) {
    const SeriesPoint &before = cpu_times_[i - 1], &here = cpu_times_[i];
    if (here.time <= cpu_told_until_) continue;
    add_look({.device = "",
              .name = kCpuTime,
              .from = before.time,
              .to = here.time,
              .amount = static_cast<double>(here.value - before.value) / 1e9});
  }
  cpu_told_until_ = std::max(cpu_told_until_, cpu_times_.back().time);
}

void Meter::note_input_work(const ProcessKey& process, const InputWork& work) {
  if (work.to <= work.from) return;
  phase_quantities_.add({.device = "",
                         .name = kInputCpuTime,
                         .from = work.from,
                         .to = work.to,
                         .amount = static_cast<double>(work.cpu_time) / 1e9},
                        process, phases_);
  phase_quantities_.add({.device = "",
                         .name = kInputWorkers,
                         .from = work.from,
                         .to = work.to,
                         .amount = static_cast<double>(work.workers) * static_cast<double>(work.to - work.from) / 1e9},
                        process, phases_);
}

// Of GPUs that the run neither worked on nor reserved there is nothing to say.
std::vector<PhaseQuantity> Meter::phase_quantities(const std::vector<DeviceRecord>& devices) const {
  auto quantities = phase_quantities_.records(phases_);
  std::erase_if(quantities, [&](const PhaseQuantity& quantity) {
    const auto device = std::ranges::find(devices, quantity.device,
                                          [](const DeviceRecord& d) -> const std::string& { return d.device.id; });
    return device != devices.end() && device->device.kind == DeviceKind::gpu && device->busy_time == 0 &&
           device->reserved_time == 0;
  });
  return quantities;
}

}  // namespace everywatt

// The part of a device's books that knows what the device draws when nobody works, and
// whether that has moved since windows were booked with it.
#include <algorithm>
#include <cmath>

#include "meter/device_books.h"

namespace everywatt {
namespace {

// By more than this since windows were booked books them anew.
constexpr double kFloorMoved = 0.01;

}  // namespace

// Of a GPU, whose work and energy come in steps of their own.
void DeviceBooks::watch_floor() {
  if (!is_gpu() || !elected().sensor) return;
  const Meter* const shows = power_beside_counter();
  if (shows) {
    gpu_floor_.emplace(shows->candidate.channel.window, GpuFloor::Curve::of_counter);
  } else {
    gpu_floor_.emplace(elected().candidate.channel.method == Method::counter ? 0 : elected().candidate.channel.window);
  }
  for (const Activity::Piece& piece : pending_) gpu_floor_->take(piece);
}

// A counter that is read once a second shows no pause of less: power that is read ten times as often does, and the
// quicker the better.
const DeviceBooks::Meter* DeviceBooks::power_beside_counter() const {
  if (!is_dear_to_read()) return nullptr;
  const Meter* quickest = nullptr;
  for (const Meter& meter : meters_) {
    const Channel& channel = meter.candidate.channel;
    if (!meter.sensor || channel.kind != ChannelKind::power || channel.window <= 0) continue;
    if (!quickest || channel.window < quickest->candidate.channel.window) quickest = &meter;
  }
  return quickest;
}

// While several runs share the host they must divide by one floor, or a
// microjoule could be work in one's books and idle in another's: the agreed one,
// and until there is one what all can tell from the window alone. A model's floor
// is the same for all.
std::optional<Power> DeviceBooks::shared_floor(Nanoseconds to, const Surroundings& around, Power from_window) const {
  if (!elected().sensor || !around.agreed) return std::nullopt;
  if (company_of(around.run, around.tenants, until_, to) == Company::alone) return std::nullopt;
  return around.agreed->agreed(device_.id, until_).value_or(from_window);
}

// In the first half second nothing may be known yet: then the window itself is all there is to go by.
Floors DeviceBooks::own_floors(Power from_window) const {
  const Floors known = floors();
  return known.ready > Power{} ? known : Floors{.ready = from_window, .resting = from_window};
}

Floors DeviceBooks::floors() const {
  const Power ready = floor().power;
  return {.ready = ready, .resting = std::min(ready, learner_.at_rest().value_or(ready))};
}

bool DeviceBooks::is_blurred() const { return !meters_.empty() && elected().candidate.channel.is_long_mean(); }

bool DeviceBooks::Used::is_far_from(double watts) const {
  return !is_empty() && std::max(std::abs(watts - lowest), std::abs(watts - highest)) > kFloorMoved * watts;
}

Floor DeviceBooks::floor() const {
  if (meters_.empty()) return first_floor_;
  const Candidate& first = elected().candidate;
  if (first.channel.kind == ChannelKind::model)
    return {.power = first.channel.model.at(0), .method = FloorMethod::prior};
  return learner_.now();
}

std::optional<Floor> DeviceBooks::learnt_floor() const {
  if (meters_.empty() || !elected().sensor || !booking_ || cpus_.empty()) return std::nullopt;
  const Floor floor = learner_.now();
  if (floor.method == FloorMethod::prior) return std::nullopt;
  return floor;
}

bool DeviceBooks::wants_rebooking() const {
  if (meters_.empty() || !elected().sensor || !booking_ || cpus_.empty()) return false;
  if (is_deposed_) return false;  // the series began with the counter's energy
  const Floors now = floors();
  const bool was_alone = !ready_used_.is_empty() || !resting_used_.is_empty();
  return ready_used_.is_far_from(now.ready / watt) || resting_used_.is_far_from(now.resting / watt) ||
         (is_blurred() && was_alone);
}

}  // namespace everywatt

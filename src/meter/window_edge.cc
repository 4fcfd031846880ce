// The part of a GPU's books that knows how much was drawn by the edge of a window. Between its points the curve of a
// sensor is straight, while work may have come and gone: what exceeds the floor was drawn where that was.
#include <algorithm>
#include <cmath>

#include "meter/device_books.h"

namespace everywatt {
namespace {

// What was drawn between two moments, of which the work that was done in between is told.
class Stretch {
 public:
  Stretch(const ToldWork& told, EnergyCurve::Point from, EnergyCurve::Point to, Power floor)
      : told_{told}, from_{from}, energy_{static_cast<double>(to.total - from.total)} {
    worked_ = worked_by(to.time);
    idle_ = static_cast<double>(to.time - from.time) - worked_;
    idle_energy_ = worked_ > 0 ? std::min(energy_, (floor / watt) * idle_ / 1e3) : energy_;
  }
  [[nodiscard]] MicroJoules total_by(Nanoseconds time) const {
    const double worked = worked_by(time);
    const double idle = static_cast<double>(time - from_.time) - worked;
    const double by_idle = idle_ > 0 ? idle_energy_ * idle / idle_ : 0;
    const double by_work = worked_ > 0 ? (energy_ - idle_energy_) * worked / worked_ : 0;
    return from_.total + std::llround(std::clamp(by_idle + by_work, 0.0, energy_));
  }

 private:
  [[nodiscard]] double worked_by(Nanoseconds time) const {
    return told_.until(time).worked - told_.until(from_.time).worked;
  }
  const ToldWork& told_;
  EnergyCurve::Point from_;
  double energy_;
  double worked_ = 0;
  double idle_ = 0;
  double idle_energy_ = 0;
};

}  // namespace

MicroJoules DeviceBooks::total_by(Nanoseconds edge) {
  const Floor floor = learner_.now();
  if (!gpu_floor_ || gpu_floor_->told().empty() || is_blurred() || floor.method == FloorMethod::prior)
    return elected().curve().at(edge);
  EnergyCurve& curve = elected().sensor->curve();
  // A curve of means shows a moment's power around it.
  const Channel& channel = elected().candidate.channel;
  const Nanoseconds around = channel.kind == ChannelKind::power ? (channel.window + channel.period) / 2 : 0;
  const auto& points = curve.points();
  const auto after = std::ranges::lower_bound(points, edge + around, {}, &EnergyCurve::Point::time);
  const auto before = std::ranges::upper_bound(points, edge - around, {}, &EnergyCurve::Point::time);
  if (before == points.begin() || after == points.end()) return curve.at(edge);
  const ToldWork& told = gpu_floor_->told();
  EnergyCurve::Point from = *(before - 1);
  if (from.time < until_) from = {.time = until_, .total = booked_at_};  // what is booked stands
  const bool is_seen = curve.observed(from.time, after->time) == after->time - from.time;
  if (!is_seen || from.time < told.begin() || after->time > told.end() || from.time >= edge) return curve.at(edge);
  const Stretch stretch{told, from, *after, floor.power};
  curve.reshape(from.time, after->time, [&](Nanoseconds time) { return stretch.total_by(time); });
  return stretch.total_by(edge);
}

}  // namespace everywatt

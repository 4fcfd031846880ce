#include "model/device.h"

#include <algorithm>
#include <array>
#include <cassert>

namespace everywatt {
namespace {

constexpr std::array<std::string_view, 14> kKinds = {"package", "core", "uncore",       "dram",        "memory",
                                                     "gpu",     "mig",  "module",       "psys",        "node",
                                                     "nic",     "disk", "interconnect", "rest_of_node"};
constexpr std::array<std::string_view, 4> kMethods = {"counter", "integrated", "modelled", "assumed"};

template <class Enum, std::size_t N>
std::optional<Enum> parse(const std::array<std::string_view, N>& names, std::string_view text) {
  const auto found = std::ranges::find(names, text);
  if (found == names.end()) return std::nullopt;
  return static_cast<Enum>(found - names.begin());
}

}  // namespace

std::string_view to_string(DeviceKind kind) { return kKinds[static_cast<std::size_t>(kind)]; }
std::optional<DeviceKind> parse_device_kind(std::string_view text) { return parse<DeviceKind>(kKinds, text); }
std::string_view to_string(Method method) { return kMethods[static_cast<std::size_t>(method)]; }
std::optional<Method> parse_method(std::string_view text) { return parse<Method>(kMethods, text); }

Power PowerModel::at(double utilisation) const {
  assert(!points.empty());
  const auto next = std::ranges::lower_bound(points, utilisation, {}, &Point::utilisation);
  if (next == points.begin()) return points.front().power;
  if (next == points.end()) return points.back().power;
  const Point& a = *(next - 1);
  const double along = (utilisation - a.utilisation) / (next->utilisation - a.utilisation);
  return a.power + along * (next->power - a.power);
}

}  // namespace everywatt

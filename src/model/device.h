// A device is a thing that has a meter; a channel is one quantity of it from
// one sensor. Both are plain data that a source finds and the meter elects from.
#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/units.h"

namespace everywatt {

enum class DeviceKind {
  package,
  core,
  uncore,
  dram,
  memory,
  gpu,
  mig,
  module,
  psys,
  node,
  nic,
  disk,
  interconnect,
  rest_of_node,
};
std::string_view to_string(DeviceKind);
std::optional<DeviceKind> parse_device_kind(std::string_view);

struct Device {
  std::string id;  // stable: package:0, dram:0, psys:0, gpu:GPU-<uuid>, node:<host>
  DeviceKind kind = DeviceKind::node;
  std::string model = {};  // "Intel(R) Xeon(R) Gold 6148", for people
  // The device whose energy includes this one's; none at the top. Energy
  // nesting, not directory nesting: dram is beside its package.
  std::optional<std::string> parent = {};
  // The device whose activity stands for this one's (dram and memory follow a
  // package; "*" all packages); empty: its own.
  std::string follows = {};
  std::vector<unsigned> cpus = {};     // package: the logical CPUs on it
  bool includes_memory = false;        // package: its meter holds the memory's energy too (Grace)
  std::optional<unsigned> index = {};  // gpu: its place in the driver's order, by which variables name it
  std::string node = {};               // gpu: its file, by which a device cgroup names it: "/dev/nvidia0"
  // gpu: the instances that it is cut into (MIG), each with a fixed share of it, and the names of what runs in them.
  struct Slice {
    double share = 0;
    std::vector<std::string> names = {};  // "MIG-…"
    bool operator==(const Slice&) const = default;
  };
  std::vector<Slice> slices = {};
  bool operator==(const Device&) const = default;
};

// How a figure was obtained, best first.
enum class Method { counter, integrated, modelled, assumed };
std::string_view to_string(Method);
std::optional<Method> parse_method(std::string_view);

enum class ChannelKind {
  energy,     // a cumulative counter
  power,      // watts now, or averaged over `window`
  busy_time,  // cumulative time that the device's CPUs worked for anyone; raw is nanoseconds summed over its CPUs
  model,      // no sensor: power follows from utilisation by `model`
  // A GPU's, which has no cumulative account of its work; raw is millionths of the time since the last reading, or, of
  // one that is stamped, of the time before its stamp.
  utilisation,  // that it worked for anyone; with a pid: for that process
  context,      // with a pid: the process holds a context there; raw is its memory in bytes; else raw is how many do
};

// Power as a function of utilisation, linear between points; the first point
// is at 0 and the last at 1. A constant is two equal points.
struct PowerModel {
  struct Point {
    double utilisation = 0;
    Power power = {};
  };
  std::vector<Point> points = {};
  [[nodiscard]] Power at(double utilisation) const;
};

// Micro-units (microjoules, microwatts) in one raw unit, exact.
struct Scale {
  std::uint64_t numerator = 1;
  std::uint64_t denominator = 1;
};

struct Channel {
  std::string device = {};  // Device::id
  ChannelKind kind = ChannelKind::energy;
  Method method = Method::counter;
  std::string sensor = {};                  // "rapl-powercap": shown, and the key under which errors are correlated
  std::string detail = {};                  // the file or event, for doctor: "intel-rapl:0/energy_uj"
  Scale scale = {};                         // of raw readings
  std::optional<std::uint64_t> range = {};  // energy: the largest raw value before it begins again
  Nanoseconds period = 0;                   // how often the sensor has something new; 0: at every reading
  Nanoseconds spacing = 0;                  // how often it is read, where a call costs too much for every reading
  Nanoseconds window = 0;                   // power: averaged over the window before the stamp; 0: instant
  double systematic = 0;                    // relative standard uncertainty (k = 1) that does not shrink with time
  Power offset = {};                        // added to what the sensor reads, by calibration; may be negative
  Power most = 0.0 * watt;                  // a power the device cannot exceed; 0: not known
  PowerModel model = {};
  std::string provenance = {};            // model: the table or formula and its source, one sentence
  int rank = 0;                           // among channels of equal method the lowest is elected
  std::optional<std::size_t> slice = {};  // utilisation, context: of this one of the device's slices alone

  // A mean over so long that what it shows of a moment was partly drawn beside it; shorter ones blur a curve by less
  // than readings are apart.
  [[nodiscard]] bool is_long_mean() const { return kind == ChannelKind::power && window >= kSecond / 2; }
};

// How a device fares in one respect, beside what it draws: a channel that is
// never elected, and says nothing of energy.
enum class QuantityKind {
  gauge,  // a value at the moment: clocks, temperatures, limits, bytes in use
  share,  // mean share of the time since the last reading; raw is millionths
  rate,   // mean per second since the last reading; what is recorded is the total
  tally,  // a cumulative count, of time or bytes
  state,  // raw is 1 while it holds, else 0, looked at now and then; what is recorded is for how long it held
};

struct QuantityChannel {
  std::string device = {};  // Device::id
  QuantityKind kind = QuantityKind::gauge;
  std::string name = {};                    // graphics_clock
  std::string unit = {};                    // mhz, celsius, watts, bytes, seconds; empty: a plain number
  Scale scale = {};                         // millionths of the unit in one raw unit
  std::optional<std::uint64_t> range = {};  // tally: the largest raw value before it begins again
  double fastest = 0;                       // tally: raw units a second that it cannot exceed; 0: not known
  bool by_phase = false;                    // share, tally: is told of each of a run's phases, too
  std::optional<std::string> missing = {};  // why it is never read: "not supported"
};

// What a source found.
struct Inventory {
  std::vector<Device> devices = {};
  std::vector<Channel> channels = {};
  std::vector<QuantityChannel> quantities = {};
  std::vector<std::string> notes =
      {};  // what was left out and why, one line each: "intel-rapl-mmio:0 repeats package:0"
  std::map<std::string, std::string> facts = {};  // for the run's environment: nvidia_driver, cuda
};

// One raw value of one channel, as the sensor gave it: a counter is passed on
// as the counter stands, never as a difference, so that wrap, reset and gap
// are judged in one place and not once per sensor.
struct Reading {
  std::uint32_t channel = 0;  // index into the source's Inventory::channels, and from their end on into its quantities
  std::uint64_t raw = 0;
  std::optional<Nanoseconds> stamped =
      {};                // the sensor's own time: CLOCK_MONOTONIC; utilisation: any that runs like it
  std::int64_t pid = 0;  // utilisation, context: of this process; 0: of the device as a whole
};

}  // namespace everywatt

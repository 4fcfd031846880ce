#include "sources/nvml_quantities.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <string>
#include <utility>

namespace everywatt::nvml {

// A metric of GPM that tells a quantity.
struct MetricWay {
  const char* quantity;
  Gpm metric;
  bool by_phase = false;  // what tells arithmetic from memory traffic
};

namespace {

constexpr int kReadingsPerRound = 10;  // a round a second
constexpr std::uint32_t kAllLinks = 0xffffffff;

constexpr Scale kWhole{.numerator = 1'000'000, .denominator = 1};
constexpr Scale kHundredth{.numerator = 10'000, .denominator = 1};
constexpr Scale kMilli{.numerator = 1000, .denominator = 1};
constexpr Scale kKibi{.numerator = 1024 * 1'000'000ull, .denominator = 1};
constexpr Scale kNano{.numerator = 1, .denominator = 1000};
constexpr Scale kMillionths{};

constexpr std::uint64_t kTurn = 0xffffffff;  // PCIe's counts go round at 2^32 (NVML reference, fields 197 and 198)
// What no counter exceeds, so that one that jumps is not believed. Time: registers
// may be renewed late, a tenth of them at a time. PCIe 6.0 ×16: 128 GB/s each way.
// NVLink 5: 0.9 TB/s each way (NVIDIA, Blackwell architecture).
constexpr double kFastestTime = 1e10;
constexpr double kFastestPcie = 1.28e11;
constexpr double kFastestNvlink = 0.9e12;

struct FieldWay {
  const char* quantity;
  const char* unit;
  QuantityKind kind;
  Scale scale;
  Field field;
  std::uint32_t scope = 0;
  double fastest = 0;
  std::uint64_t range = 0;
};
constexpr FieldWay held_back(const char* quantity, Field field) {
  return {quantity, "seconds", QuantityKind::tally, kNano, field, 0, kFastestTime};
}
// No memory is at 0 °C and no limit at 0 W: who says so does not measure. Time is told in 64 bits; what else lies at
// its number under another driver is not.
bool is_of(const FieldWay& way, const FieldValue& value) {
  if (way.kind == QuantityKind::gauge) return whole(value) > 0;
  if (way.scale.denominator != kNano.denominator) return true;
  return value.type == ValueType::u64 || value.type == ValueType::ulong;
}
// Of several ways to one quantity the first that answers.
constexpr FieldWay kFields[] = {
    {"memory_temperature", "celsius", QuantityKind::gauge, kWhole, Field::memory_temperature},
    {"power_limit", "watts", QuantityKind::gauge, kMilli, Field::power_limit},
    held_back("held_back_power_cap", Field::power_capped_time),
    held_back("held_back_thermal", Field::thermally_capped_time),
    held_back("held_back_sync_boost", Field::sync_boost_time),
    held_back("held_back_board_limit", Field::board_limited_time),
    held_back("held_back_low_utilisation", Field::low_utilisation_time),
    held_back("held_back_reliability", Field::reliability_time),
    held_back("held_back_software_thermal", Field::software_thermal_time),
    held_back("held_back_hardware_thermal", Field::hardware_thermal_time),
    held_back("held_back_power_brake", Field::power_brake_time),
    held_back("held_back_software_thermal", Field::software_thermal_time_575),
    held_back("held_back_hardware_thermal", Field::hardware_thermal_time_575),
    held_back("held_back_power_brake", Field::power_brake_time_575),
    held_back("held_back_below_application_clocks", Field::below_application_clocks_time),
    held_back("held_back_below_base_clocks", Field::below_base_clocks_time),
    {"pcie_sent", "bytes", QuantityKind::tally, kWhole, Field::pcie_sent, 0, kFastestPcie, kTurn},
    {"pcie_received", "bytes", QuantityKind::tally, kWhole, Field::pcie_received, 0, kFastestPcie, kTurn},
    {"nvlink_sent", "bytes", QuantityKind::tally, kWhole, Field::nvlink5_sent, kAllLinks, kFastestNvlink},
    {"nvlink_received", "bytes", QuantityKind::tally, kWhole, Field::nvlink5_received, kAllLinks, kFastestNvlink},
    {"nvlink_sent", "bytes", QuantityKind::tally, kKibi, Field::nvlink_sent, kAllLinks, kFastestNvlink / 1024},
    {"nvlink_received", "bytes", QuantityKind::tally, kKibi, Field::nvlink_received, kAllLinks, kFastestNvlink / 1024},
};

template <Clock clock>
Return read_clock(const Functions& call, Device device, std::uint64_t& mhz) {
  std::uint32_t value = 0;
  const Return status = call_if_there(call.clock, device, clock, &value);
  mhz = value;
  return status;
}

Return read_performance_state(const Functions& call, Device device, std::uint64_t& state) {
  constexpr std::int32_t kUnknown = 32;  // NVML_PSTATE_UNKNOWN
  std::int32_t value = kUnknown;
  const Return status = call_if_there(call.performance_state, device, &value);
  state = static_cast<std::uint64_t>(std::max(value, 0));
  return status == Return::success && value >= kUnknown ? Return::not_supported : status;
}

Return read_temperature(const Functions& call, Device device, std::uint64_t& celsius) {
  std::uint32_t value = 0;
  const Return status = call_if_there(call.temperature, device, std::uint32_t{0}, &value);
  celsius = value;
  return status;
}

Return read_memory(const Functions& call, Device device, std::uint64_t& bytes) {
  Memory memory{};
  OldMemory old{};
  const Return status = call.memory ? call.memory(device, &memory) : call_if_there(call.old_memory, device, &old);
  bytes = call.memory ? memory.used : old.used;
  return status;
}

// Share of a sixth of a second to a second in which it was read or written.
Return read_memory_utilisation(const Functions& call, Device device, std::uint64_t& percent) {
  Utilization utilisation{};
  const Return status = call_if_there(call.utilization, device, &utilisation);
  percent = utilisation.memory;
  return status;
}

Return read_limit(const Functions& call, Device device, std::uint64_t& milliwatts) {
  std::uint32_t value = 0;
  const Return status = call_if_there(call.power_limit, device, &value);
  milliwatts = value;
  return status;
}

struct CallWay {
  const char* quantity;
  const char* unit;
  Scale scale;
  Return (*read)(const Functions& call, Device device, std::uint64_t& value);
};
constexpr CallWay kCalls[] = {
    {"graphics_clock", "mhz", kWhole, read_clock<Clock::graphics>},
    {"sm_clock", "mhz", kWhole, read_clock<Clock::sm>},
    {"memory_clock", "mhz", kWhole, read_clock<Clock::memory>},
    {"performance_state", "", kWhole, read_performance_state},
    {"temperature", "celsius", kWhole, read_temperature},
    {"memory_used", "bytes", kWhole, read_memory},
    {"memory_utilisation", "", kHundredth, read_memory_utilisation},
    {"power_limit", "watts", kMilli, read_limit},
};

// For drivers that count no time by cause. A hardware slowdown that is no power
// brake is heat (NVML reference, nvmlClocksEventReasonHwSlowdown).
struct ReasonWay {
  const char* quantity;
  bool (*holds)(std::uint64_t mask);
};
template <std::uint64_t bits>
bool has(std::uint64_t mask) {
  return (mask & bits) != 0;
}
bool is_hot(std::uint64_t mask) {
  return has < kReasonSoftwareThermal | kReasonHardwareThermal > (mask) ||
         (has<kReasonHardwareSlowdown>(mask) && !has<kReasonPowerBrake>(mask));
}
constexpr ReasonWay kReasons[] = {
    {"held_back_power_cap", has<kReasonPowerCap>},
    {"held_back_thermal", is_hot},
    {"held_back_sync_boost", has<kReasonSyncBoost>},
    {"held_back_software_thermal", has<kReasonSoftwareThermal>},
    {"held_back_hardware_thermal", has<kReasonHardwareThermal>},
    {"held_back_power_brake", has<kReasonPowerBrake>},
};

constexpr MetricWay kShares[] = {
    {"graphics_utilisation", Gpm::graphics_utilisation},
    {"sm_utilisation", Gpm::sm_utilisation, true},
    {"sm_occupancy", Gpm::sm_occupancy},
    {"tensor_utilisation", Gpm::tensor_utilisation, true},
    {"memory_bandwidth_utilisation", Gpm::memory_bandwidth, true},
    {"fp64_utilisation", Gpm::fp64_utilisation, true},
    {"fp32_utilisation", Gpm::fp32_utilisation, true},
    {"fp16_utilisation", Gpm::fp16_utilisation, true},
};
// In MiB/s. PCIe's in place of counts that on a fast bus go round in less time than lies between two readings; NVLink's
// where nothing counts.
constexpr MetricWay kRates[] = {{"pcie_sent", Gpm::pcie_sent},
                                {"pcie_received", Gpm::pcie_received},
                                {"nvlink_sent", Gpm::nvlink_sent},
                                {"nvlink_received", Gpm::nvlink_received}};
constexpr double kMebi = 1024 * 1024;
static_assert(std::size(kShares) + std::size(kRates) <= PerformanceMonitor::kMostMetrics);

bool is_nvlink(const MetricWay& way) { return way.metric == Gpm::nvlink_sent || way.metric == Gpm::nvlink_received; }

std::string in_words(Return status) {
  const bool has_not = status == Return::not_supported || status == Return::function_not_found ||
                       status == Return::invalid_argument || status == Return::argument_version_mismatch;
  return has_not ? "not supported" : std::string{words_of(status)};
}

QuantityChannel* find(Inventory& inventory, std::string_view name) {
  const auto found = std::ranges::find(inventory.quantities, name, &QuantityChannel::name);
  return found == inventory.quantities.end() ? nullptr : &*found;
}

bool is_found(Inventory& inventory, std::string_view name) {
  const QuantityChannel* known = find(inventory, name);
  return known && !known->missing;
}

// In place of what says that it is missing; returns what its readings are numbered by.
std::uint32_t add(Inventory& inventory, QuantityChannel channel) {
  channel.device = inventory.devices.front().id;
  QuantityChannel* known = find(inventory, channel.name);
  if (!known) known = &inventory.quantities.emplace_back();
  *known = std::move(channel);
  return static_cast<std::uint32_t>(inventory.channels.size() +
                                    static_cast<std::size_t>(known - inventory.quantities.data()));
}

void leave_out(Inventory& inventory, std::string_view name, std::string_view unit, Return status) {
  if (find(inventory, name)) return;
  inventory.quantities.push_back({.device = inventory.devices.front().id,
                                  .name = std::string{name},
                                  .unit = std::string{unit},
                                  .missing = in_words(status)});
}

}  // namespace

std::uint64_t whole(const FieldValue& value) {
  switch (value.type) {
    case ValueType::real:
      return value.value.real > 0 ? static_cast<std::uint64_t>(value.value.real) : 0;
    case ValueType::u32:
      return value.value.u32;
    case ValueType::i32:
      return value.value.i32 > 0 ? static_cast<std::uint64_t>(value.value.i32) : 0;
    case ValueType::i64:
      return value.value.i64 > 0 ? static_cast<std::uint64_t>(value.value.i64) : 0;
    case ValueType::u16:
      return value.value.u16;
    case ValueType::ulong:
    case ValueType::u64:
      return value.value.u64;
  }
  return 0;
}

Return read_field(const Functions& call, Device device, Field field, std::uint32_t scope, FieldValue& value) {
  value = {};
  value.field = field;
  value.scope = scope;
  const Return status = call_if_there(call.field_values, device, 1, &value);
  return status == Return::success ? value.status : status;
}

Quantities::Quantities(std::shared_ptr<Library> library, Device device, std::uint64_t shift, Inventory& inventory)
    : library_{std::move(library)}, stagger_{static_cast<int>(shift % kReadingsPerRound)} {
  find_calls(device, inventory);
  find_fields(device, inventory);
  find_reasons(device, inventory);
  find_peak(device, inventory);
  find_performance(device, inventory);
}

void Quantities::find_fields(Device device, Inventory& inventory) {
  for (const FieldWay& way : kFields) {
    if (is_found(inventory, way.quantity)) continue;
    FieldValue value{};
    Return status = read_field(library_->call, device, way.field, way.scope, value);
    if (status == Return::success && !is_of(way, value)) status = Return::not_supported;
    if (status != Return::success) {
      leave_out(inventory, way.quantity, way.unit, status);
      continue;
    }
    QuantityChannel channel{
        .kind = way.kind, .name = way.quantity, .unit = way.unit, .scale = way.scale, .fastest = way.fastest};
    if (way.range > 0) channel.range = way.range;
    auto& fields = way.range > 0 ? counts_ : gauges_;
    fields.push_back({way.field, way.scope, add(inventory, std::move(channel))});
  }
}

void Quantities::find_calls(Device device, Inventory& inventory) {
  for (const CallWay& way : kCalls) {
    std::uint64_t value = 0;
    if (const Return status = way.read(library_->call, device, value); status != Return::success) {
      leave_out(inventory, way.quantity, way.unit, status);
      continue;
    }
    calls_.push_back({way.read, add(inventory, {.name = way.quantity, .unit = way.unit, .scale = way.scale})});
  }
}

void Quantities::find_reasons(Device device, Inventory& inventory) {
  std::uint64_t mask = 0;
  if (call_if_there(library_->call.clock_reasons, device, &mask) != Return::success) return;
  for (const ReasonWay& way : kReasons) {
    if (is_found(inventory, way.quantity)) continue;
    reasons_.push_back(
        {way.holds,
         add(inventory, {.kind = QuantityKind::state, .name = way.quantity, .unit = "seconds", .scale = kWhole})});
  }
}

// What the memory can move at most, by the width of its bus and its highest clock, at which two transfers are made (as
// NVML states it of HBM and GDDR alike: 5120 bits at 2619 MHz are the 3.35 TB/s of an H100).
void Quantities::find_peak(Device device, Inventory& inventory) {
  constexpr const char *kName = "memory_bandwidth_peak", *kUnit = "bytes_per_second";
  std::uint32_t bits = 0, mhz = 0;
  Return status = call_if_there(library_->call.memory_bus_width, device, &bits);
  if (status == Return::success) status = call_if_there(library_->call.max_clock, device, Clock::memory, &mhz);
  if (status == Return::success && (bits == 0 || mhz == 0)) status = Return::not_supported;
  if (status != Return::success) return leave_out(inventory, kName, kUnit, status);
  peak_ = Reading{.channel = add(inventory, {.name = kName, .unit = kUnit, .scale = kWhole}),
                  .raw = std::uint64_t{bits} / 8 * 2 * mhz * 1'000'000};
}

void Quantities::find_performance(Device device, Inventory& inventory) {
  Return status = Return::success;
  performance_ = PerformanceMonitor::open(library_, device, std::nullopt, status);
  std::vector<Gpm> metrics;
  for (const MetricWay& way : kShares) metrics.push_back(way.metric);
  for (const MetricWay& way : kRates) metrics.push_back(way.metric);
  const auto statuses = performance_ ? performance_->try_out(device, metrics) : std::vector(metrics.size(), status);
  auto told = statuses.begin();
  for (const MetricWay& way : kShares) find_share(way, *told++, inventory);
  for (const MetricWay& way : kRates) find_rate(way, *told++, device, inventory);
}

void Quantities::find_share(const MetricWay& way, Return status, Inventory& inventory) {
  if (status != Return::success) return leave_out(inventory, way.quantity, "", status);
  metrics_.push_back(way.metric);
  metric_channels_.push_back(
      {add(inventory,
           {.kind = QuantityKind::share, .name = way.quantity, .scale = kMillionths, .by_phase = way.by_phase}),
       PerformanceMonitor::share});
}

void Quantities::find_rate(const MetricWay& way, Return status, Device device, Inventory& inventory) {
  if (status != Return::success) return;
  FieldValue links{};
  // A GPU without links would be told to have moved nothing over them.
  if (is_nvlink(way) &&
      (is_found(inventory, way.quantity) ||
       read_field(library_->call, device, Field::nvlink_links, 0, links) != Return::success || whole(links) == 0))
    return;
  const auto bytes = [](double mebibytes) { return static_cast<std::uint64_t>(std::llround(mebibytes * kMebi)); };
  const std::uint32_t channel =
      add(inventory, {.kind = QuantityKind::rate, .name = way.quantity, .unit = "bytes", .scale = kWhole});
  std::erase_if(counts_, [&](const FieldChannel& count) { return count.channel == channel; });
  metrics_.push_back(way.metric);
  metric_channels_.push_back({channel, bytes});
}

void Quantities::begin_reading(Round round) {
  if (round == Round::now) until_round_ = 0;
  is_round_ = until_round_ == 0;
  if (is_round_) until_round_ = kReadingsPerRound + std::exchange(stagger_, 0);
  --until_round_;
}

void Quantities::ask(std::vector<FieldValue>& fields) const {
  const auto append = [&](const std::vector<FieldChannel>& channels) {
    for (const FieldChannel& channel : channels) {
      FieldValue& value = fields.emplace_back();
      value.field = channel.field;
      value.scope = channel.scope;
    }
  };
  append(counts_);
  if (is_round_) append(gauges_);
}

void Quantities::take(std::span<const FieldValue> fields, std::vector<Reading>& out) const {
  for (std::size_t i = 0; i < fields.size(); ++i) {
    const FieldChannel& channel = i < counts_.size() ? counts_[i] : gauges_[i - counts_.size()];
    if (fields[i].status == Return::success) out.push_back({.channel = channel.channel, .raw = whole(fields[i])});
  }
}

void Quantities::sample(Device device, std::vector<Reading>& out) {
  if (!is_round_) return;
  for (const CallChannel& channel : calls_) {
    std::uint64_t value = 0;
    if (channel.read(library_->call, device, value) == Return::success)
      out.push_back({.channel = channel.channel, .raw = value});
  }
  if (peak_) out.push_back(*peak_);
  std::uint64_t mask = 0;
  if (!reasons_.empty() && library_->call.clock_reasons(device, &mask) == Return::success) {
    for (const ReasonChannel& channel : reasons_)
      out.push_back({.channel = channel.channel, .raw = channel.holds(mask) ? 1u : 0u});
  }
  sample_performance(device, out);
}

void Quantities::sample_performance(Device device, std::vector<Reading>& out) {
  if (!performance_) return;
  const auto means = performance_->look(device, metrics_);
  for (std::size_t i = 0; i < means.size(); ++i) {
    if (means[i]) out.push_back({.channel = metric_channels_[i].channel, .raw = metric_channels_[i].raw_of(*means[i])});
  }
}

}  // namespace everywatt::nvml

// What one NVIDIA GPU tells beside its energy: clocks, temperatures, limits,
// memory in use, why its clocks were held back, bytes over its links, and how
// busy its parts were. What the driver or the GPU lacks is left out quantity by
// quantity, each with its reason. Counts that go round
// are read with every reading, in one call with the energy's fields; the rest
// with every tenth, since most of it takes a call of its own.
#pragma once
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "sources/nvml_performance.h"
#include "sources/source.h"

namespace everywatt::nvml {

// The number in a field's value, whatever its type; what is negative is 0.
std::uint64_t whole(const FieldValue& value);

// What a field says when it is asked for alone: `value` is filled where it succeeds.
Return read_field(const Functions& call, Device device, Field field, std::uint32_t scope, FieldValue& value);

struct MetricWay;

class Quantities {
 public:
  // Adds quantities of the inventory's first device, whose channels are complete. From the second round on they come
  // `shift` readings later.
  Quantities(std::shared_ptr<Library> library, Device device, std::uint64_t shift, Inventory& inventory);

  // Another reading begins: what follows is of it.
  enum class Round { in_turn, now };
  void begin_reading(Round round);
  // Every tenth, in which what seldom changes is asked for.
  [[nodiscard]] bool is_round() const { return is_round_; }
  // Appends the fields that are wanted with this reading.
  void ask(std::vector<FieldValue>& fields) const;
  // The same fields as they were answered, in their order. One that was not is missing this time.
  void take(std::span<const FieldValue> fields, std::vector<Reading>& out) const;
  // What is no field.
  void sample(Device device, std::vector<Reading>& out);

 private:
  using Read = Return (*)(const Functions& call, Device device, std::uint64_t& value);
  struct FieldChannel {
    Field field;
    std::uint32_t scope;
    std::uint32_t channel;
  };
  struct CallChannel {
    Read read;
    std::uint32_t channel;
  };
  struct ReasonChannel {
    bool (*holds)(std::uint64_t mask);
    std::uint32_t channel;
  };
  void find_fields(Device device, Inventory& inventory);
  void find_calls(Device device, Inventory& inventory);
  void find_reasons(Device device, Inventory& inventory);
  void find_peak(Device device, Inventory& inventory);
  void find_performance(Device device, Inventory& inventory);
  void find_share(const MetricWay& way, Return status, Inventory& inventory);
  void find_rate(const MetricWay& way, Return status, Device device, Inventory& inventory);
  void sample_performance(Device device, std::vector<Reading>& out);

  std::shared_ptr<Library> library_;
  std::vector<FieldChannel> counts_;  // that go round: with every reading
  std::vector<FieldChannel> gauges_;  // and counts that do not: with every tenth, as all that follows
  std::vector<CallChannel> calls_;
  std::vector<ReasonChannel> reasons_;
  std::optional<Reading> peak_;  // of the memory's bandwidth: it never changes
  std::optional<PerformanceMonitor> performance_;
  std::vector<Gpm> metrics_;  // that it tells of
  struct MetricChannel {
    std::uint32_t channel;
    std::uint64_t (*raw_of)(double mean);
  };
  std::vector<MetricChannel> metric_channels_;  // for each of them
  int until_round_ = 0;                         // readings
  int stagger_;                                 // readings by which the second round comes later
  bool is_round_ = false;
};

}  // namespace everywatt::nvml

// One NVIDIA GPU as a source: its energy counter, its power, how much it worked
// and for whom (nvml_work.h), and how it fared (nvml_quantities.h). What the driver or the board lacks is left out
// quantity by quantity, each with its reason. A GPU that is lost or whose driver was loaded
// anew is looked up again under its UUID at every reading until it is back.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "sources/call_cost.h"
#include "sources/nvml_library.h"
#include "sources/nvml_meaning.h"
#include "sources/nvml_quantities.h"
#include "sources/nvml_work.h"
#include "sources/source.h"

namespace everywatt::nvml {

struct Driver {
  std::string version;  // 550.54.15
  std::string cuda;     // 12.4
  [[nodiscard]] unsigned major() const;
};

class Gpu final : public Source {
 public:
  // Errc::io: the GPU does not even say who it is.
  static Result<std::unique_ptr<Source>> open(std::shared_ptr<Library> library, std::uint32_t index,
                                              const Driver& driver);

  const Inventory& inventory() const override { return inventory_; }
  Result<void> sample(std::vector<Reading>& out) override;
  Result<void> sample_on_pace(std::uint64_t tick, std::vector<Reading>& out) override;
  Result<void> sample_quickly(std::vector<Reading>& out) override;
  Result<void> sample_in_hunt(std::vector<Reading>& out) override;

 private:
  // A field that answered, and the channel that it feeds.
  struct FieldChannel {
    Field field;
    Scope scope;
    std::uint32_t channel;
    bool is_counter = false;
  };
  struct Power {
    PowerCall call;
    Scope scope;
    Return status;
  };

  Gpu(std::shared_ptr<Library> library, Device device, std::uint32_t index, const Driver& driver);
  void find_channels(const Driver& driver);
  void add_counter(Scope scope, const std::string& device, const Driver& driver);
  void add_power(PowerCall call, Scope scope, const std::string& device, const Driver& driver);
  void add_module(const Driver& driver);
  void add_memory(const Driver& driver);
  std::uint32_t add_channel(Channel channel);
  void leave_out(std::string_view what, Return status);
  void note_unmetered(std::span<const std::string> refusals);
  [[nodiscard]] Return field_status(Field field, Scope scope) const;

  // What a reading asks for. Power is asked for with each, and how the GPU fares with all but those that are one of
  // many within moments.
  struct Asked {
    bool counters = true;
    bool contexts = true;
    bool work = true;
    bool quantities = true;
    Quantities::Round round = Quantities::Round::in_turn;
  };
  static constexpr Asked kSensors{
      .counters = true, .contexts = false, .work = false, .quantities = false, .round = Quantities::Round::in_turn};
  Result<void> sample_with(Asked asked, std::vector<Reading>& out);
  Return sample_fields(Asked asked, std::vector<Reading>& out);
  Return sample_calls(Asked asked, std::vector<Reading>& out);
  void space_counters();
  void look_up_again(Return status);

  std::shared_ptr<Library> library_;
  Device device_;
  std::string uuid_;
  std::string name_;
  Architecture architecture_ = Architecture::unknown;
  double limit_watts_ = 0;
  Inventory inventory_;
  std::vector<FieldChannel> fields_;
  std::vector<FieldValue> values_;
  std::vector<const FieldChannel*> asked_;  // of the fields, in the order of their values
  Spacing counters_;
  // Ticks: where calls cost much, not all GPUs have theirs at once. Where they cost little they have: what one brought
  // into the processor's cache serves the next.
  std::uint64_t shift_ = 0;
  bool is_on_pace_ = false;                    // readings are; one that is not is then wanted with all that there is
  std::uint64_t counted_ = 0;                  // as the first counter stood last
  bool is_hunting_ = false;                    // the last reading was one of many
  bool has_seen_ = false;                      // the renewal that this hunt is for
  std::optional<std::uint32_t> counter_call_;  // channel of nvmlDeviceGetTotalEnergyConsumption
  std::optional<std::uint32_t> power_call_;    // channel of nvmlDeviceGetPowerUsage
  std::optional<Work> work_;                   // always there once it is open
  std::optional<Quantities> quantities_;       // likewise
};

}  // namespace everywatt::nvml

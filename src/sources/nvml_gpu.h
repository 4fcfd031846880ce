// One NVIDIA GPU as a source: its energy counter, its power, how much it worked
// and for whom (nvml_work.h), and how it fared (nvml_quantities.h). What the driver or the board lacks is left out
// quantity by quantity, each with its reason. A GPU that is lost or whose driver was loaded
// anew is looked up again under its UUID at every reading until it is back.
#pragma once
#include <memory>
#include <string>
#include <vector>

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
  Result<void> sample_quickly(std::vector<Reading>& out) override;

 private:
  // A field that answered, and the channel that it feeds.
  struct FieldChannel {
    Field field;
    Scope scope;
    std::uint32_t channel;
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
  [[nodiscard]] Return field_status(Field field, Scope scope) const;

  // How the GPU fares is told with one reading of many within moments only.
  enum class With { energy, quantities };
  Result<void> sample_with(With with, std::vector<Reading>& out);
  Return sample_fields(With with, std::vector<Reading>& out);
  Return sample_calls(std::vector<Reading>& out);
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
  std::optional<std::uint32_t> counter_call_;  // channel of nvmlDeviceGetTotalEnergyConsumption
  std::optional<std::uint32_t> power_call_;    // channel of nvmlDeviceGetPowerUsage
  std::optional<Work> work_;                   // always there once it is open
  std::optional<Quantities> quantities_;       // likewise
};

}  // namespace everywatt::nvml

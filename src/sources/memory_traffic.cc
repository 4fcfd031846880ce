// Bytes to and from the processors' memory, by package. Counted at the memory controllers where the kernel lets us ask
// them (uncore_memory.cc): all that passes there. Else by resctrl (resctrl.cc): what passes between the last cache and
// the memory. Whose they are nobody tells. Where both are denied the quantity is missing, with what would help.
#include <algorithm>
#include <optional>

#include "sources/byte_counter.h"
#include "sources/source.h"
#include "sources/topology.h"

namespace everywatt {
namespace {

constexpr Scale kWhole{.numerator = 1'000'000, .denominator = 1};
// No package's memory is faster: twelve channels of DDR5-6400 move 0.6 TB/s, HBM beside processors 1.6 TB/s.
constexpr double kFastest = 4e12;

class MemoryTraffic final : public Source {
 public:
  MemoryTraffic(FoundCounters counters, std::vector<std::string> notes) {
    inventory_.notes = std::move(notes);
    for (FoundCounter& found : counters) sum_of(found).parts.push_back({.counter = std::move(found.counter)});
  }

  const Inventory& inventory() const override { return inventory_; }

  // A sum of which a part is not told is not told either; what it missed comes with the next one.
  Result<void> sample(std::vector<Reading>& out) override {
    std::optional<Error> failure;
    for (std::uint32_t i = 0; i < sums_.size(); ++i) {
      bool is_whole = true;
      for (Part& part : sums_[i].parts) {
        const auto bytes = part.counter->bytes();
        if (!bytes && !failure) failure = bytes.error();
        is_whole &= bytes && *bytes;
        if (bytes && *bytes) sums_[i].bytes += part.advance(**bytes);
      }
      if (is_whole) out.push_back({.channel = i, .raw = sums_[i].bytes});
    }
    if (failure) return std::unexpected{*std::move(failure)};
    return {};
  }

 private:
  struct Part {
    std::unique_ptr<ByteCounter> counter;
    std::optional<std::uint64_t> last = {};
    // One that fell began again: what it shows was counted since.
    std::uint64_t advance(std::uint64_t now) {
      const std::uint64_t before = last.value_or(now);
      last = now;
      return now >= before ? now - before : now;
    }
  };
  struct Sum {
    std::vector<Part> parts = {};
    std::uint64_t bytes = 0;  // since it was opened
  };

  Sum& sum_of(const FoundCounter& found) {
    const auto known = std::ranges::find_if(inventory_.quantities, [&](const QuantityChannel& quantity) {
      return quantity.device == found.device && quantity.name == found.quantity;
    });
    if (known != inventory_.quantities.end())
      return sums_[static_cast<std::size_t>(known - inventory_.quantities.begin())];
    inventory_.quantities.push_back({.device = found.device,
                                     .kind = QuantityKind::tally,
                                     .name = std::string{found.quantity},
                                     .unit = "bytes",
                                     .scale = kWhole,
                                     .fastest = kFastest,
                                     .by_phase = true});
    return sums_.emplace_back();
  }

  Inventory inventory_;
  std::vector<Sum> sums_;  // by channel
};

// There is something, and it may not be read.
class Unreadable final : public Source {
 public:
  Unreadable(const Roots& roots, const std::string& why) {
    const Topology topology = read_topology(roots);
    for (const CpuPackage& package : topology.packages) {
      inventory_.quantities.push_back({.device = topology.device(package).id,
                                       .kind = QuantityKind::tally,
                                       .name = std::string{kMemoryTraffic},
                                       .unit = "bytes",
                                       .missing = why});
    }
  }
  const Inventory& inventory() const override { return inventory_; }
  Result<void> sample(std::vector<Reading>&) override { return {}; }

 private:
  Inventory inventory_;
};

}  // namespace

Result<std::unique_ptr<Source>> open_memory_traffic(const Roots& roots) {
  auto uncore = find_uncore_counters(roots);
  if (uncore) return std::make_unique<MemoryTraffic>(*std::move(uncore), std::vector<std::string>{});
  std::vector<std::string> notes;
  if (uncore.error().code != Errc::absent) notes.push_back("memory controllers: " + uncore.error().what);
  auto resctrl = find_resctrl_counters(roots);
  if (resctrl) return std::make_unique<MemoryTraffic>(*std::move(resctrl), std::move(notes));
  if (uncore.error().code != Errc::absent) return std::make_unique<Unreadable>(roots, uncore.error().what);
  if (resctrl.error().code != Errc::absent) return std::make_unique<Unreadable>(roots, resctrl.error().what);
  return fail(Errc::absent, "no counters of memory traffic: " + uncore.error().what + "; " + resctrl.error().what);
}

}  // namespace everywatt

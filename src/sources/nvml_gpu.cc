#include "sources/nvml_gpu.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <span>

#include "base/text.h"

namespace everywatt::nvml {
namespace {

// Of eight boards that were held against an external meter (arXiv 2312.02741) most were off by 4 to 6 % of the energy,
// one by 8 and one by 13: twice this holds the truth of 96 % of loads on such boards (docs/measurements/accuracy.md).
constexpr double kBoardError = 0.06;
constexpr double kHeadroomOverLimit = 1.5;                    // transients exceed the enforced limit for milliseconds
constexpr Scale kMilli{.numerator = 1000, .denominator = 1};  // mJ and mW

bool is_there(Return status) { return status == Return::success; }

template <class Function>
std::string text_of(Function function, Device device) {
  std::array<char, 97> text{};
  if (!function || function(device, text.data(), text.size() - 1) != Return::success) return {};
  return text.data();
}

Architecture read_architecture(const Functions& call, Device device) {
  Architecture architecture = Architecture::unknown;
  if (is_there(call_if_there(call.architecture, device, &architecture))) return architecture;
  int major = 0, minor = 0;
  if (!is_there(call_if_there(call.compute_capability, device, &major, &minor))) return Architecture::unknown;
  return architecture_of(major, minor);
}

std::string sensor_name(PowerCall call) {
  return call == PowerCall::instant ? "nvml-instant" : call == PowerCall::average ? "nvml-average" : "nvml-power";
}

std::string in_words(const PowerMeaning& meaning) {
  const auto ms = [](Nanoseconds time) { return time / kMillisecond; };
  std::string text =
      meaning.is_part_time() ? fmt::format("sees {} of every {} ms", ms(meaning.window), ms(meaning.period))
      : meaning.follows
          ? fmt::format("follows power by {} ms, renewed every {} ms", ms(meaning.window / 2), ms(meaning.period))
          : fmt::format("mean over {} ms, renewed every {} ms", ms(meaning.window), ms(meaning.period));
  if (!meaning.is_known) text += ", as on other GPUs: not measured on this architecture";
  return text;
}

}  // namespace

unsigned Driver::major() const {
  return static_cast<unsigned>(parse_u64(std::string_view{version}.substr(0, version.find('.'))).value_or(0));
}

Result<std::unique_ptr<Source>> Gpu::open(std::shared_ptr<Library> library, std::uint32_t index, const Driver& driver) {
  Device device{};
  if (const Return status = library->call.device_by_index(index, &device); status != Return::success)
    return fail(Errc::io, std::string{words_of(status)});
  if (text_of(library->call.uuid, device).empty()) return fail(Errc::io, "it gives no UUID");
  return std::unique_ptr<Source>{new Gpu{std::move(library), device, index, driver}};
}

Gpu::Gpu(std::shared_ptr<Library> library, Device device, std::uint32_t index, const Driver& driver)
    : library_{std::move(library)},
      device_{device},
      uuid_{text_of(library_->call.uuid, device)},
      name_{text_of(library_->call.name, device)} {
  architecture_ = read_architecture(library_->call, device_);
  std::uint32_t limit = 0;
  if (is_there(call_if_there(library_->call.power_limit, device_, &limit))) limit_watts_ = limit / 1e3;
  inventory_.devices.push_back({.id = "gpu:" + uuid_, .kind = DeviceKind::gpu, .model = name_, .index = index});
  std::uint32_t minor = 0;
  if (is_there(call_if_there(library_->call.minor_number, device_, &minor)))
    inventory_.devices.back().node = fmt::format("/dev/nvidia{}", minor);
  inventory_.facts["nvidia_driver"] = driver.version;
  inventory_.facts["cuda"] = driver.cuda;
  find_channels(driver);
  space_counters();
  const bool costs_little = counters_.is_each() && work_->spacing().ticks() <= Work::kTicksPerWord;
  shift_ = costs_little ? 0 : index;
  quantities_.emplace(library_, device_, shift_, inventory_);
}

std::uint32_t Gpu::add_channel(Channel channel) {
  inventory_.channels.push_back(std::move(channel));
  return static_cast<std::uint32_t>(inventory_.channels.size() - 1);
}

// By what a call for all counters takes.
void Gpu::space_counters() {
  const auto is_counter = [&](const Channel& channel) { return channel.kind == ChannelKind::energy; };
  if (std::ranges::none_of(inventory_.channels, is_counter)) return;
  std::vector<Reading> unused;
  counters_ = Spacing::measured([&] { (void)sample_fields(kSensors, unused); });
  if (counters_.is_each()) return;
  for (Channel& channel : inventory_.channels) {
    if (!is_counter(channel)) continue;
    channel.spacing = counters_.length();
    channel.provenance += fmt::format("; read every {:.1f} s, since it takes {:.1f} ms",
                                      static_cast<double>(counters_.length()) / kSecond,
                                      static_cast<double>(counters_.cost()) / kMillisecond);
  }
}

void Gpu::leave_out(std::string_view what, Return status) {
  inventory_.notes.push_back(fmt::format("gpu:{} {}: {}", uuid_, what, words_of(status)));
}

// Nothing tells what it draws: the bill names it with this in place of a figure.
void Gpu::note_unmetered(std::span<const std::string> refusals) {
  const auto is_meter = [](const Channel& channel) {
    return channel.kind == ChannelKind::energy || channel.kind == ChannelKind::power;
  };
  if (std::ranges::any_of(inventory_.channels, is_meter)) return;
  std::vector<std::string> whys;
  for (const std::string& refusal : refusals) {
    std::string why = refusal.substr(refusal.rfind(": ") + 2);
    if (std::ranges::find(whys, why) == whys.end()) whys.push_back(std::move(why));
  }
  inventory_.notes.push_back(
      fmt::format("gpu:{}: neither its energy nor its power is told ({})", uuid_, fmt::join(whys, ", ")));
}

Return Gpu::field_status(Field field, Scope scope) const {
  FieldValue value{};
  return read_field(library_->call, device_, field, static_cast<std::uint32_t>(scope), value);
}

void Gpu::find_channels(const Driver& driver) {
  const std::string& device = inventory_.devices.front().id;
  add_counter(Scope::gpu, device, driver);
  add_power(PowerCall::instant, Scope::gpu, device, driver);
  add_power(PowerCall::average, Scope::gpu, device, driver);
  const bool has_power_field = std::ranges::any_of(
      inventory_.channels, [](const Channel& channel) { return channel.kind == ChannelKind::power; });
  if (!has_power_field) add_power(PowerCall::usage, Scope::gpu, device, driver);
  const std::vector<std::string> refusals = inventory_.notes;
  work_.emplace(library_, device_, inventory_);
  add_module(driver);
  note_unmetered(refusals);
  add_memory(driver);
}

void Gpu::add_counter(Scope scope, const std::string& device, const Driver& driver) {
  Return status = field_status(Field::energy, scope);
  Field field = Field::energy;
  if (!is_there(status) && scope == Scope::gpu) {
    field = Field::total_energy;
    status = field_status(field, scope);
  }
  std::uint64_t energy = 0;
  const bool by_call = !is_there(status) && scope == Scope::gpu;
  if (by_call) status = call_if_there(library_->call.total_energy, device_, &energy);
  if (!is_there(status)) {
    if (scope == Scope::gpu) leave_out("energy counter", status);
    return;
  }
  const Nanoseconds period = counter_period(architecture_);
  const std::uint32_t channel = add_channel(
      {.device = device,
       .kind = ChannelKind::energy,
       .method = Method::counter,
       .sensor = "nvml-counter",
       .detail =
           by_call ? "nvmlDeviceGetTotalEnergyConsumption" : fmt::format("field {}", static_cast<unsigned>(field)),
       .scale = kMilli,
       .period = period,
       .systematic = kBoardError,
       .most = kHeadroomOverLimit * limit_watts_ * watt,
       .provenance = fmt::format("energy since the driver was loaded, renewed every {} ms on {} as a rule, driver {}",
                                 period / kMillisecond, name_of(architecture_), driver.version)});
  if (by_call) {
    counter_call_ = channel;
  } else {
    fields_.push_back({field, scope, channel, true});
  }
}

void Gpu::add_power(PowerCall call, Scope scope, const std::string& device, const Driver& driver) {
  const Field field = call == PowerCall::instant ? Field::power_instant : Field::power_average;
  std::uint32_t milliwatts = 0;
  const Return status = call == PowerCall::usage ? call_if_there(library_->call.power_usage, device_, &milliwatts)
                                                 : field_status(field, scope);
  if (!is_there(status)) {
    if (scope == Scope::gpu) leave_out(sensor_name(call), status);
    return;
  }
  const PowerMeaning meaning = meaning_of(call, architecture_, name_, driver.major());
  const std::uint32_t channel = add_channel(
      {.device = device,
       .kind = ChannelKind::power,
       .method = Method::integrated,
       .sensor = sensor_name(call),
       .detail =
           call == PowerCall::usage ? "nvmlDeviceGetPowerUsage" : fmt::format("field {}", static_cast<unsigned>(field)),
       .scale = kMilli,
       .period = meaning.period,
       .window = meaning.window,
       .systematic = kBoardError,
       .most = kHeadroomOverLimit * limit_watts_ * watt,
       .provenance = fmt::format("{} on {}, driver {}", in_words(meaning), name_of(architecture_), driver.version),
       // What sees all of the time is preferred, and of two such the quicker.
       .rank = meaning.is_part_time()       ? 2
               : call == PowerCall::average ? 1
                                            : 0});
  if (call == PowerCall::usage) {
    power_call_ = channel;
  } else {
    fields_.push_back({field, scope, channel});
  }
}

// The module's meter holds the GPU, its memory, and the processor. Of a board that has none some drivers answer, too.
void Gpu::add_module(const Driver& driver) {
  if (!is_superchip(name_)) return;
  const bool has_any = is_there(field_status(Field::energy, Scope::module)) ||
                       is_there(field_status(Field::power_instant, Scope::module)) ||
                       is_there(field_status(Field::power_average, Scope::module));
  if (!has_any) return;
  const std::string module = "module:" + uuid_;
  inventory_.devices.push_back({.id = module, .kind = DeviceKind::module, .model = name_ + " module (CPU and GPU)"});
  inventory_.devices.front().parent = module;
  add_counter(Scope::module, module, driver);
  add_power(PowerCall::instant, Scope::module, module, driver);
  add_power(PowerCall::average, Scope::module, module, driver);
}

// What the GPU's own memory draws is part of what the GPU does.
void Gpu::add_memory(const Driver& driver) {
  const auto answers = [&](Field field) { return is_there(field_status(field, Scope::memory)); };
  if (!answers(Field::energy) && !answers(Field::power_instant) && !answers(Field::power_average)) return;
  const std::string& gpu = inventory_.devices.front().id;
  const std::string memory = "memory:" + uuid_;
  inventory_.devices.push_back({.id = memory, .kind = DeviceKind::memory, .model = name_ + " memory", .parent = gpu});
  add_counter(Scope::memory, memory, driver);
  add_power(PowerCall::instant, Scope::memory, memory, driver);
  add_power(PowerCall::average, Scope::memory, memory, driver);
}

Result<void> Gpu::sample(std::vector<Reading>& out) {
  return sample_with({.round = is_on_pace_ ? Quantities::Round::now : Quantities::Round::in_turn}, out);
}

// Drivers have a new word of work five or six times a second: it is asked for, and who holds contexts, with every other
// reading. A reading after that of counters that cost much, so that its stamps are theirs alone, work is told up to
// then.
Result<void> Gpu::sample_on_pace(std::uint64_t tick, std::vector<Reading>& out) {
  if (!std::exchange(is_on_pace_, true)) return sample(out);
  const bool of_work = work_->spacing().is_due(tick - 1, shift_);
  const bool of_contexts = of_work || Spacing{}.at_least(Work::kTicksPerWord).is_due(tick - 1, shift_);
  return sample_with({.counters = counters_.is_due(tick, shift_), .contexts = of_contexts, .work = of_work}, out);
}

Result<void> Gpu::sample_quickly(std::vector<Reading>& out) { return sample_with(kSensors, out); }

// Where counters cost much, a hunt that has seen one renewed looks at them no more.
Result<void> Gpu::sample_in_hunt(std::vector<Reading>& out) {
  const bool is_first = !std::exchange(is_hunting_, true);
  if (is_first) has_seen_ = false;
  const std::uint64_t before = counted_;
  Asked asked = kSensors;
  asked.counters = counters_.is_each() || !has_seen_;
  CHECK(sample_with(asked, out));
  has_seen_ |= !is_first && counted_ != before;
  return {};
}

Result<void> Gpu::sample_with(Asked asked, std::vector<Reading>& out) {
  if (asked.quantities) {
    quantities_->begin_reading(asked.round);
    is_hunting_ = false;
  }
  const std::size_t had = out.size();
  Return worst = sample_fields(asked, out);
  const auto note = [&](Return status) { worst = is_there(status) ? worst : status; };
  note(sample_calls(asked, out));
  const bool is_there_still = out.size() > had;
  const bool is_round = asked.quantities && quantities_->is_round();
  if (asked.contexts || is_round) note(work_->sample(device_, asked.work, is_round, out));
  // Where one sensor fails and others do not, the rest is told as ever.
  if (asked.quantities && (worst == Return::success || is_there_still)) quantities_->sample(device_, out);
  if (worst == Return::success) return {};
  look_up_again(worst);
  return fail(Errc::io, fmt::format("gpu:{}: {}", uuid_, words_of(worst)));
}

Return Gpu::sample_fields(Asked asked, std::vector<Reading>& out) {
  values_.clear();
  asked_.clear();
  for (const FieldChannel& field : fields_) {
    if (field.is_counter && !asked.counters) continue;
    asked_.push_back(&field);
    FieldValue& value = values_.emplace_back();
    value.field = field.field;
    value.scope = static_cast<std::uint32_t>(field.scope);
  }
  if (asked.quantities) quantities_->ask(values_);
  if (values_.empty()) return Return::success;
  Return worst = library_->call.field_values(device_, static_cast<int>(values_.size()), values_.data());
  if (!is_there(worst)) return worst;
  for (std::size_t i = 0; i < asked_.size(); ++i) {
    if (!is_there(values_[i].status)) {
      worst = values_[i].status;
      continue;
    }
    const std::uint64_t raw = whole(values_[i]);
    // No GPU draws nothing: a meter that says so does not measure (the second die of a pair).
    if (raw > 0 || asked_[i]->is_counter) out.push_back({.channel = asked_[i]->channel, .raw = raw});
    if (asked_[i] == fields_.data()) counted_ = raw;
  }
  if (asked.quantities) quantities_->take(std::span{values_}.subspan(asked_.size()), out);
  return worst;
}

Return Gpu::sample_calls(Asked asked, std::vector<Reading>& out) {
  Return worst = Return::success;
  if (counter_call_ && asked.counters) {
    std::uint64_t energy = 0;
    if (const Return status = library_->call.total_energy(device_, &energy); is_there(status)) {
      out.push_back({.channel = *counter_call_, .raw = energy});
      counted_ = energy;
    } else {
      worst = status;
    }
  }
  if (power_call_) {
    std::uint32_t power = 0;
    if (const Return status = library_->call.power_usage(device_, &power); !is_there(status)) {
      worst = status;
    } else if (power > 0) {
      out.push_back({.channel = *power_call_, .raw = power});
    }
  }
  return worst;
}

// A driver that was loaded anew wants to be started again; a GPU that was away has another handle.
void Gpu::look_up_again(Return status) {
  if (status == Return::uninitialized) (void)library_->call.init();
  if (!library_->call.device_by_uuid) return;
  Device device{};
  if (library_->call.device_by_uuid(uuid_.c_str(), &device) == Return::success) device_ = device;
}

}  // namespace everywatt::nvml

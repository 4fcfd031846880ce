#include "cli/baseline_file.h"

#include <nlohmann/json.hpp>

#include <cmath>
#include <optional>

namespace everywatt {
namespace {

using Json = nlohmann::json;

// What a figure of ours can be: 292 years, 9 terajoules.
constexpr double kMost = 9e9;
constexpr Nanoseconds kLongest = 1'000'000'000 * kSecond;

const Json* member(const Json& object, const char* name) {
  const auto found = object.find(name);
  return found == object.end() ? nullptr : &*found;
}

// Reads fields into a profile; what does not fit is remembered.
class Fields {
 public:
  explicit Fields(const Json& object) : object_{object} {}

  void text(const char* name, std::string& into) {
    const Json* value = member(object_, name);
    if (value && value->is_string()) {
      into = value->get<std::string>();
    } else {
      refuse(name, "a text");
    }
  }
  // Billionths of seconds, millionths of joules: whole numbers. `null` stays none.
  std::optional<std::int64_t> whole(const char* name, double scale) {
    const Json* value = member(object_, name);
    if (value && value->is_null()) return std::nullopt;
    const bool is_number = value && value->is_number();
    const double number = is_number ? value->get<double>() : 0;
    if (!is_number || !std::isfinite(number) || std::abs(number) > kMost) {
      refuse(name, "a number");
      return std::nullopt;
    }
    return std::llround(number * scale);
  }
  std::int64_t need(const char* name, double scale) {
    const auto value = whole(name, scale);
    if (!value) refuse(name, "a number");
    return value.value_or(0);
  }
  void refuse(const std::string& name, const std::string& expected) {
    if (problem_.empty()) problem_ = "'" + name + "' should be " + expected;
  }
  [[nodiscard]] const std::string& problem() const { return problem_; }

 private:
  const Json& object_;
  std::string problem_;
};

void read_environment(const Json& root, Fields& fields, Profile& profile) {
  const Json* facts = member(root, "environment");
  if (!facts || !facts->is_object()) return fields.refuse("environment", "an object");
  for (const auto& [key, value] : facts->items()) {
    if (!value.is_string()) return fields.refuse("environment." + key, "a text");
    profile.environment[key] = value.get<std::string>();
  }
}

void read_times(const Json& root, Fields& fields, Profile& profile) {
  const Json* times = member(root, "times");
  if (!times || !times->is_array()) return fields.refuse("times", "a list");
  for (const Json& each : *times) {
    if (!each.is_object()) return fields.refuse("times", "a list of objects");
    Fields time{each};
    const auto begin = time.need("begin_seconds", 1e9);
    const auto length = time.need("duration_seconds", 1e9);
    const auto energy = time.need("energy_joules", 1e6);
    const bool is_in_order = begin >= (profile.times.empty() ? 0 : profile.times.back().begin) && length >= 0;
    if (!time.problem().empty() || !is_in_order || begin > kLongest || length > kLongest)
      return fields.refuse("times", "a list of times with their energy, in their order");
    profile.times.push_back({begin, begin + length, energy});
  }
}

}  // namespace

Result<Baseline> parse_baseline(std::string_view text, const std::string& file) {
  const auto refuse = [&](const std::string& why) {
    return fail(Errc::malformed, file + " is no baseline: " + why + " (everywatt baseline set writes it anew)");
  };
  const Json root = Json::parse(text, nullptr, false);
  if (!root.is_object()) return refuse("it is no JSON object");
  const Json* schema = member(root, "schema");
  if (!schema || *schema != "everywatt.baseline/1") return refuse("its schema is not everywatt.baseline/1");
  Fields fields{root};
  Baseline baseline;
  Profile& profile = baseline.profile;
  fields.text("set", baseline.set);
  fields.text("run", profile.run);
  fields.text("name", profile.name);
  fields.text("model", profile.model);
  fields.text("hardware", profile.hardware);
  fields.text("boundary", profile.boundary);
  fields.text("phase", profile.phase);
  profile.duration = fields.need("duration_seconds", 1e9);
  profile.energy = fields.whole("energy_joules", 1e6);
  profile.idle = fields.whole("idle_joules", 1e6);
  profile.waits = fields.need("wait_joules", 1e6);
  if (const Json* flops = member(root, "model_flops"); flops && flops->is_number())
    profile.flops = flops->get<double>();
  read_environment(root, fields, profile);
  read_times(root, fields, profile);
  if (!fields.problem().empty()) return refuse(fields.problem());
  return baseline;
}

}  // namespace everywatt

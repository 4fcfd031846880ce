#include <nlohmann/json.hpp>

#include "report/baseline_text.h"

namespace everywatt {
namespace {

using Json = nlohmann::ordered_json;

template <class T>
Json known(const std::optional<T>& value) {
  return value ? Json(*value) : Json(nullptr);
}

Json joules(std::optional<MicroJoules> energy) {
  return energy ? Json(static_cast<double>(*energy) / 1e6) : Json(nullptr);
}
double seconds(Nanoseconds time) { return static_cast<double>(time) / 1e9; }

Json profile_json(const Profile& profile) {
  Json times = Json::array();
  for (const PhaseTime& time : profile.times) {
    times.push_back({{"begin_seconds", seconds(time.begin - profile.times.front().begin)},
                     {"duration_seconds", seconds(time.end - time.begin)},
                     {"energy_joules", joules(time.energy)}});
  }
  return {{"run", profile.run},
          {"name", profile.name},
          {"model", profile.model},
          {"hardware", profile.hardware},
          {"boundary", profile.boundary},
          {"environment", Json(profile.environment)},
          {"duration_seconds", seconds(profile.duration)},
          {"energy_joules", joules(profile.energy)},
          {"idle_joules", joules(profile.idle)},
          {"wait_joules", joules(profile.waits)},
          {"model_flops", known(profile.flops)},
          {"phase", profile.phase},
          {"times", times}};
}

std::string_view name_of(Outcome outcome) {
  return outcome == Outcome::worse ? "worse" : outcome == Outcome::better ? "better" : "same";
}

std::string_view name_of(Comparison::Verdict verdict) {
  if (verdict == Comparison::Verdict::worse) return "worse";
  return verdict == Comparison::Verdict::no_worse ? "no worse" : "inconclusive";
}

Json ratio_json(const std::optional<Ratio>& ratio) {
  if (!ratio) return nullptr;
  return {{"ratio", ratio->value},
          {"ratio_low", ratio->low},
          {"ratio_high", ratio->high},
          {"detectable_increase", ratio->detectable},
          {"outcome", name_of(ratio->outcome)}};
}

// Facts may hold any bytes; what is no UTF-8 is replaced, not refused.
std::string written(const Json& json) { return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n"; }

}  // namespace

std::string baseline_json(const Baseline& baseline) {
  Json json{{"schema", "everywatt.baseline/1"},
            {"set", baseline.set},
            {"detectable_increase", known(detectable_increase(baseline.profile))}};
  json.update(profile_json(baseline.profile));
  return written(json);
}

std::string comparison_json(const Baseline& baseline, const Profile& run, const Comparison& comparison) {
  Json changes = Json::array();
  for (const Change& change : comparison.changes)
    changes.push_back({{"what", change.what}, {"before", known(change.before)}, {"after", known(change.after)}});
  return written({{"schema", "everywatt.baseline-check/1"},
                  {"verdict", name_of(comparison.verdict)},
                  {"reason", comparison.reason.empty() ? Json(nullptr) : Json(comparison.reason)},
                  {"changes", changes},
                  {"energy", ratio_json(comparison.energy)},
                  {"time", ratio_json(comparison.time)},
                  {"baseline", profile_json(baseline.profile)},
                  {"run", profile_json(run)}});
}

}  // namespace everywatt

#include "tracker/delivery.h"

#include <cstdint>
#include <nlohmann/json.hpp>

namespace everywatt {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::string_view kSchema = "everywatt.delivery/1";
constexpr std::int64_t kMostSeconds = 1'000'000'000;  // 31 years: a duration in nanoseconds stays a number

template <class T>
Json or_null(const std::optional<T>& value) {
  return value ? Json(*value) : Json(nullptr);
}

std::string text_of(const Json& json, const char* key) {
  const auto found = json.find(key);
  return found != json.end() && found->is_string() ? found->get<std::string>() : "";
}

bool flag_of(const Json& json, const char* key) {
  const auto found = json.find(key);
  return found != json.end() && found->is_boolean() && found->get<bool>();
}

// -1: no whole number of seconds.
std::int64_t seconds_of(const Json& json, const char* key) {
  const auto found = json.find(key);
  if (found == json.end() || !found->is_number_integer()) return -1;
  if (found->is_number_unsigned() && found->get<std::uint64_t>() > kMostSeconds) return -1;
  const auto seconds = found->get<std::int64_t>();
  return seconds <= kMostSeconds ? seconds : -1;
}

}  // namespace

std::string delivery_json(const Delivery& delivery) {
  Json trouble = nullptr;
  if (delivery.trouble) trouble = {{"time", delivery.trouble->time}, {"line", delivery.trouble->line}};
  const Json out{{"schema", kSchema},
                 {"to", "mlflow"},
                 {"run", delivery.run},
                 {"url", delivery.url},
                 {"remote_run", delivery.remote_run},
                 {"made_here", delivery.made_here},
                 {"interval_seconds", delivery.interval / kSecond},
                 {"points_until_seconds", delivery.points_until / kSecond},
                 {"complete", delivery.complete},
                 {"bill", or_null(delivery.bill)},
                 {"trouble", std::move(trouble)}};
  return out.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

Result<Delivery> parse_delivery(std::string_view text) {
  const Json json = Json::parse(text, nullptr, false);
  if (!json.is_object() || text_of(json, "schema") != kSchema)
    return fail(Errc::malformed, "expected a JSON object of schema " + std::string{kSchema});
  Delivery delivery{.run = text_of(json, "run"), .url = text_of(json, "url")};
  if (delivery.run.empty() || delivery.url.empty()) return fail(Errc::malformed, "run or url is missing");
  const std::int64_t interval = seconds_of(json, "interval_seconds");
  if (interval < 1) return fail(Errc::malformed, "interval_seconds is no whole number from 1");
  const std::int64_t until = seconds_of(json, "points_until_seconds");
  if (until < 0) return fail(Errc::malformed, "points_until_seconds is no whole number from 0");
  delivery.remote_run = text_of(json, "remote_run");
  delivery.made_here = flag_of(json, "made_here");
  delivery.interval = interval * kSecond;
  delivery.points_until = until * kSecond;
  delivery.complete = flag_of(json, "complete");
  if (const std::string bill = text_of(json, "bill"); !bill.empty()) delivery.bill = bill;
  if (const auto trouble = json.find("trouble"); trouble != json.end() && trouble->is_object())
    delivery.trouble = {.time = text_of(*trouble, "time"), .line = text_of(*trouble, "line")};
  return delivery;
}

}  // namespace everywatt

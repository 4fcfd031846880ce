#include "cli/mlflow_settings.h"

#include <cmath>
#include <cstdlib>

#include "net/encode.h"

namespace everywatt {
namespace {

constexpr const char* kUri = "export.mlflow.tracking_uri";

std::optional<std::string> variable(const char* name) {
  const char* value = std::getenv(name);
  return value && *value ? std::optional<std::string>{value} : std::nullopt;
}

// As MLflow reads a switch (mlflow/environment_variables.py).
bool is_set(const char* name) {
  const auto value = variable(name);
  return value == "true" || value == "True" || value == "TRUE" || value == "1";
}

std::string authorization(const ServerAddress& address) {
  const auto user = variable("MLFLOW_TRACKING_USERNAME");
  const auto password = variable("MLFLOW_TRACKING_PASSWORD");
  if (user && password) return "Authorization: Basic " + base64(*user + ":" + *password);
  if (const auto token = variable("MLFLOW_TRACKING_TOKEN")) return "Authorization: Bearer " + *token;
  return address.user.empty() ? "" : "Authorization: Basic " + base64(address.user + ":" + address.password);
}

// A header is one line: what holds a line break would be two.
bool is_one_line(const std::string& text) { return text.find_first_of("\r\n") == text.npos; }

Result<ServerAddress> server_of(const Config& config) {
  const auto from_file = config.text(kUri);
  const auto from_environment = variable("MLFLOW_TRACKING_URI");
  if (!from_file && !from_environment)
    return fail(Errc::misuse,
                "no MLflow server is named: set MLFLOW_TRACKING_URI, or tracking_uri under [export.mlflow]");
  const std::string source = from_environment ? "MLFLOW_TRACKING_URI" : kUri;
  auto address = parse_server_address(from_environment ? *from_environment : *from_file);
  if (!address) return fail(Errc::misuse, source + ": " + address.error().what);
  if (!from_environment && !address->user.empty()) {
    return fail(Errc::misuse, source +
                                  " holds a user or password: they belong into MLFLOW_TRACKING_USERNAME and "
                                  "MLFLOW_TRACKING_PASSWORD");
  }
  return address;
}

}  // namespace

bool mlflow_is_on(const Config& config) {
  return config.text(kUri).has_value() || config.text("export.mlflow.from_environment") == "true";
}

Result<MlflowTarget> mlflow_target(const Config& config) {
  TRY(const ServerAddress address, server_of(config));
  MlflowTarget target{.url = address.url, .authorization = authorization(address)};
  if (!is_one_line(target.authorization)) return fail(Errc::misuse, "MLFLOW_TRACKING_TOKEN holds more than one line");
  if (const auto name = config.text("export.mlflow.experiment")) target.experiment = *name;
  if (const auto name = variable("MLFLOW_EXPERIMENT_NAME")) target.experiment = *name;
  target.run_name = config.text("export.mlflow.run_name");
  target.join_run = variable("MLFLOW_RUN_ID");
  if (const auto seconds = config.number("export.mlflow.interval_seconds"))
    target.interval = std::llround(*seconds) * kSecond;
  target.verify_server = !is_set("MLFLOW_TRACKING_INSECURE_TLS");
  target.authorities = variable("MLFLOW_TRACKING_SERVER_CERT_PATH").value_or("");
  return target;
}

}  // namespace everywatt

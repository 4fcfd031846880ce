// [export.mlflow] and MLflow's own variables, as one target. Off unless the
// section names a server (tracking_uri) or says from_environment = true.
#pragma once
#include <optional>

#include "cli/config.h"
#include "tracker/mlflow_target.h"

namespace everywatt {

// Whether a run is to be delivered while it lasts.
bool mlflow_is_on(const Config& config);

// The environment comes before the file, as everywhere: MLFLOW_TRACKING_URI, _EXPERIMENT_NAME, _RUN_ID, and for the
// server's door _USERNAME with _PASSWORD, else _TOKEN; _INSECURE_TLS, _SERVER_CERT_PATH. Errc::misuse: no server is
// named, its address is none, or a password stands in the file.
Result<MlflowTarget> mlflow_target(const Config& config);

}  // namespace everywatt

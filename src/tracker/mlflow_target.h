// Where runs go in MLflow: plain data that configuration and environment make.
#pragma once
#include <optional>
#include <string>

#include "base/clock.h"

namespace everywatt {

struct MlflowTarget {
  std::string url;                           // of the server; holds no secret
  std::string authorization = {};            // header line; empty: none. Never shown, never written down
  std::string experiment = "Default";        // MLflow's own name of what is always there
  std::optional<std::string> run_name = {};  // of a run that we make; else the run's own
  std::optional<std::string> join_run = {};  // MLFLOW_RUN_ID: a run that is there already
  Nanoseconds interval = 10 * kSecond;       // between points: whole seconds
  bool verify_server = true;
  std::string authorities = {};  // file of certificates
};

}  // namespace everywatt

// A bill in MLflow's terms: metrics, tags and the bodies of log-batch, within
// the limits that every server keeps. Pure: what is sent, not how.
//
// Points are what MLflow takes them for: (key, timestamp, step), each at most
// once. All three follow from the run alone, so that whoever tells them twice can
// ask which are there.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "account/bill.h"
#include "account/energy_ticks.h"

namespace everywatt {

struct MlflowMetric {
  std::string key;
  double value = 0;               // finite; its unit ends the key
  std::int64_t timestamp_ms = 0;  // since 1970-01-01 UTC
  std::int64_t step = 0;          // whole seconds since the run's start
};

struct MlflowTag {
  std::string key;
  std::string value;
};

// energy/total_joules and energy/KIND_watts while the run lasts.
std::vector<MlflowMetric> mlflow_live_metrics(const std::vector<EnergyTick>& ticks, Instant started);

// The figures of the bill, at the moment of the run's end. What is not known is left out.
std::vector<MlflowMetric> mlflow_final_metrics(const Bill& bill);

// everywatt.run_id, boundary, method, uncertainty: what a reader needs to trust a figure.
std::vector<MlflowTag> mlflow_tags(const Bill& bill);

// Bodies of POST runs/log-batch: at most 1000 metrics and 100 tags, together 1000, and 1 MB each
// (mlflow/utils/validation.py: MAX_METRICS_PER_BATCH, MAX_TAGS_PER_BATCH, MAX_ENTITIES_PER_BATCH,
// MAX_BATCH_LOG_REQUEST_SIZE).
std::vector<std::string> mlflow_batches(const std::string& run_id, const std::vector<MlflowMetric>& metrics,
                                        const std::vector<MlflowTag>& tags);

// A key that every server takes: letters, digits, _ - . space and /, at most 250; others become '_'.
std::string mlflow_key(std::string_view name);

}  // namespace everywatt

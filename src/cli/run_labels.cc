#include "cli/run_labels.h"

#include "base/text.h"

namespace everywatt {

void RunLabels::add_options(Flags& flags) {
  flags.option("--name NAME", name_, "name of the run; else the command's");
  flags.option("--project P", project_, "project it belongs to");
  flags.option("--model M", model_, "model it trains or serves");
  flags.option("--model-version V", model_version_, "version of that model");
  flags.option("--tag K=V", tags_, "a tag; may be repeated");
  flags.option("--metric K=N", metrics_, "a metric, such as accuracy=0.97; may be repeated");
}

Result<void> RunLabels::describe(Run& run, const std::string& usual_name) const {
  run.name = name_.value_or(usual_name);
  run.project = project_.value_or("");
  run.model = model_.value_or("");
  run.model_version = model_version_.value_or("");
  TRY(const auto tags, key_values("--tag", tags_));
  for (const auto& [key, value] : tags) run.tags[key] = value;
  TRY(const auto metrics, key_values("--metric", metrics_));
  for (const auto& [key, value] : metrics) {
    const auto number = parse_count(value);
    if (!number) return fail(Errc::misuse, "--metric " + key + " expects a number, not '" + value + "'");
    run.metrics[key] = *number;
  }
  return {};
}

}  // namespace everywatt

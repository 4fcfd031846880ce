// Where baselines are kept: one file for each model and hardware, in the folder `baselines` beside the ledger. Each is
// complete: the run that it was made of may be removed.
#pragma once
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "report/baseline_text.h"

namespace everywatt {

class BaselineFolder {
 public:
  explicit BaselineFolder(std::filesystem::path folder) : folder_{std::move(folder)} {}

  [[nodiscard]] std::filesystem::path place_of(const Profile& profile) const;
  Result<void> write(const Baseline& baseline) const;
  // In the order of their files. `model`: empty is any.
  [[nodiscard]] Result<std::vector<Baseline>> all_of(const std::string& model) const;

 private:
  std::filesystem::path folder_;
};

}  // namespace everywatt

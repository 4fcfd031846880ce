#include "cli/baseline_folder.h"

#include <algorithm>

#include "base/file.h"
#include "cli/baseline_file.h"
#include "store/file_names.h"

namespace everywatt {

std::filesystem::path BaselineFolder::place_of(const Profile& profile) const {
  return folder_ / (file_name_of(profile.model + " on " + profile.hardware) + ".json");
}

Result<void> BaselineFolder::write(const Baseline& baseline) const {
  std::error_code error;
  std::filesystem::create_directories(folder_, error);
  if (error) return fail(Errc::io, "make " + folder_.string() + ": " + error.message());
  return write_text(place_of(baseline.profile), baseline_json(baseline));
}

Result<std::vector<Baseline>> BaselineFolder::all_of(const std::string& model) const {
  std::vector<std::filesystem::path> files;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator{folder_, error}) {
    if (entry.path().extension() == ".json") files.push_back(entry.path());
  }
  std::ranges::sort(files);
  std::vector<Baseline> all;
  for (const auto& file : files) {
    TRY(const std::string text, read_text(file));
    TRY(Baseline baseline, parse_baseline(text, file.string()));
    if (model.empty() || baseline.profile.model == model) all.push_back(std::move(baseline));
  }
  return all;
}

}  // namespace everywatt

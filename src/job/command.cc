#include "job/command.h"

#include <paths.h>
#include <unistd.h>

#include <algorithm>
#include <optional>
#include <string_view>

#include "base/text.h"

namespace everywatt {
namespace {

// What glibc's execvp searches where PATH is not set (confstr _CS_PATH).
constexpr std::string_view kDefaultPath = "/bin:/usr/bin";
char shell_path[] = _PATH_BSHELL;

std::vector<std::string> merged_environment(const std::vector<std::pair<std::string, std::string>>& ours) {
  std::vector<std::string> merged;
  for (char** entry = ::environ; entry && *entry; ++entry) {
    const std::string_view text{*entry};
    const std::string_view name = text.substr(0, text.find('='));
    if (std::ranges::find(ours, name, [](const auto& pair) { return std::string_view{pair.first}; }) == ours.end()) {
      merged.emplace_back(text);
    }
  }
  for (const auto& [name, value] : ours) merged.push_back(name + "=" + value);
  return merged;
}

std::string_view search_path(const std::vector<std::string>& environment) {
  constexpr std::string_view kPath = "PATH=";
  for (const std::string_view entry : environment) {
    if (entry.starts_with(kPath)) return entry.substr(kPath.size());
  }
  return kDefaultPath;
}

std::vector<std::string> candidates_of(const std::string& file, std::string_view path) {
  std::vector<std::string> candidates;
  for (const std::string_view folder : split(path, ':')) {
    // An empty part of PATH is the working directory.
    candidates.push_back(folder.empty() ? file : std::string{folder} + "/" + file);
  }
  return candidates;
}

}  // namespace

Program::Program(const std::vector<std::string>& command,
                 const std::vector<std::pair<std::string, std::string>>& environment) {
  texts_ = command;
  const std::vector<std::string> merged = merged_environment(environment);
  texts_.insert(texts_.end(), merged.begin(), merged.end());

  const std::string& file = command.front();
  searched_path_ = file.find('/') == file.npos;
  if (!file.empty()) candidates_ = searched_path_ ? candidates_of(file, search_path(merged)) : std::vector{file};
  for (const std::string& candidate : candidates_) candidate_pointers_.push_back(candidate.c_str());
  candidate_pointers_.push_back(nullptr);

  script_arguments_ = {shell_path, nullptr};
  for (std::size_t i = 0; i < texts_.size(); ++i) {
    char* text = texts_[i].data();
    (i < command.size() ? arguments_ : environment_).push_back(text);
    if (i > 0 && i < command.size()) script_arguments_.push_back(text);
  }
  arguments_.push_back(nullptr);
  script_arguments_.push_back(nullptr);
  environment_.push_back(nullptr);
}

}  // namespace everywatt

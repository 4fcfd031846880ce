#include <sys/utsname.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "base/file.h"
#include "base/text.h"
#include "cli/git_state.h"
#include "cli/recording.h"

namespace everywatt {
namespace {

// "key : value" of /proc/cpuinfo and /proc/meminfo; the first of its name.
std::string field_of(std::string_view text, std::string_view key) {
  for (const std::string_view line : split(text, '\n')) {
    const auto colon = line.find(':');
    if (colon != line.npos && trim(line.substr(0, colon)) == key) return std::string{trim(line.substr(colon + 1))};
  }
  return {};
}

// The head of a file: /proc/cpuinfo of a large machine takes milliseconds to read whole.
std::string head_of(const std::filesystem::path& path) {
  std::string text(4096, '\0');
  const auto file = PolledFile::open(path);
  if (!file) return {};
  const auto read = file->read(text.data(), text.size());
  return read ? std::string{*read} : std::string{};
}

// The container that we are in, as far as it can be told from within; Docker names no image.
void add_container(std::map<std::string, std::string>& facts) {
  std::error_code error;
  for (const char* variable : {"APPTAINER_CONTAINER", "SINGULARITY_CONTAINER"}) {
    const char* image = std::getenv(variable);
    if (image == nullptr || *image == '\0') continue;
    facts["container"] = "apptainer";
    facts["container_image"] = image;
    return;
  }
  if (const auto podman = read_text("/run/.containerenv")) {  // podman-run(1): image="…" where it is privileged
    facts["container"] = "podman";
    for (const std::string_view line : split(*podman, '\n')) {
      constexpr std::string_view kImage = "image=\"";
      if (line.starts_with(kImage) && line.ends_with('"'))
        facts["container_image"] = line.substr(kImage.size(), line.size() - kImage.size() - 1);
    }
  } else if (std::filesystem::exists("/.dockerenv", error)) {
    facts["container"] = "docker";
  }
}

}  // namespace

std::map<std::string, std::string> environment_of(const Roots& roots) {
  std::map<std::string, std::string> facts;
  utsname system{};
  if (::uname(&system) == 0) {
    facts["host"] = system.nodename;
    facts["kernel"] = system.release;
    facts["architecture"] = system.machine;
  }
  facts["cpu"] = field_of(head_of(roots.proc / "cpuinfo"), "model name");
  if (const auto online = read_line(roots.sys / "devices/system/cpu/online")) {
    if (const auto cpus = parse_cpu_list(*online)) facts["cpus"] = std::to_string(cpus->size());
  }
  const std::string memory = field_of(head_of(roots.proc / "meminfo"), "MemTotal");  // "24689012 kB"
  if (const auto fields = words(memory); !fields.empty()) {
    if (const auto kibibytes = parse_u64(fields.front())) facts["memory_bytes"] = std::to_string(*kibibytes * 1024);
  }
  add_container(facts);
  std::error_code error;
  const auto here = std::filesystem::current_path(error);
  if (const auto repository = repository_around(here)) facts["git_commit"] = git_commit(*repository);
  facts["working_directory"] = here.string();
  std::erase_if(facts, [](const auto& fact) { return fact.second.empty(); });
  return facts;
}

}  // namespace everywatt

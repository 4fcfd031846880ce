#include <sys/utsname.h>
#include <unistd.h>

#include "base/file.h"
#include "base/text.h"
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

// The commit that is checked out where the job starts, read from .git without starting git.
std::string git_commit() {
  std::error_code error;
  std::filesystem::path folder = std::filesystem::current_path(error);
  while (!folder.empty() && !std::filesystem::exists(folder / ".git/HEAD", error)) {
    if (folder == folder.parent_path()) return {};
    folder = folder.parent_path();
  }
  const auto head = read_line(folder / ".git/HEAD");
  if (!head) return {};
  if (!head->starts_with("ref: ")) return *head;
  const std::string name = head->substr(5);
  if (const auto loose = read_line(folder / ".git" / name)) return *loose;
  const auto packed = read_text(folder / ".git/packed-refs");
  if (!packed) return {};
  for (const std::string_view line : split(*packed, '\n')) {
    if (line.ends_with(" " + name)) return std::string{line.substr(0, line.find(' '))};
  }
  return {};
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
  facts["git_commit"] = git_commit();
  std::error_code error;
  facts["working_directory"] = std::filesystem::current_path(error).string();
  std::erase_if(facts, [](const auto& fact) { return fact.second.empty(); });
  return facts;
}

}  // namespace everywatt

#include "cli/remedy.h"

#include <grp.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <vector>

#include "base/file.h"

extern char** environ;

namespace everywatt {
namespace {

constexpr std::string_view kRuleFile = "60-everywatt-rapl.rules";

// Zones come and go with the driver: the rule is applied to each as it appears.
std::string rule_for(const std::string& group) {
  return "# The processors' energy counters may be read by the group " + group +
         ".\n"
         "# They are root-only by default because fine-grained power can leak secrets to\n"
         "# programs on the same machine (CVE-2020-8694): let in only whom you trust.\n"
         "SUBSYSTEM==\"powercap\", ACTION==\"add\", "
         "RUN+=\"/bin/chgrp " +
         group + " /sys%p/energy_uj\", RUN+=\"/bin/chmod g+r /sys%p/energy_uj\"\n";
}

bool is_word(const std::string& name) {
  return !name.empty() && name.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") ==
                              std::string::npos;
}

Result<gid_t> group_id(const std::string& name) {
  if (const group* known = ::getgrnam(name.c_str())) return known->gr_gid;
  std::string program = "groupadd";
  std::string system = "-r";
  std::string argument = name;
  char* const argv[] = {program.data(), system.data(), argument.data(), nullptr};
  pid_t child = 0;
  int status = 0;
  if (::posix_spawnp(&child, "groupadd", nullptr, nullptr, argv, environ) != 0 || ::waitpid(child, &status, 0) < 0 ||
      status != 0) {
    return fail(Errc::io, "the group '" + name + "' does not exist and could not be made (groupadd -r " + name + ")");
  }
  const group* made = ::getgrnam(name.c_str());
  if (!made) return fail(Errc::io, "the group '" + name + "' was made but cannot be found");
  return made->gr_gid;
}

std::vector<std::filesystem::path> counters(const Roots& roots) {
  std::vector<std::filesystem::path> found;
  std::error_code error;
  for (const auto& zone : std::filesystem::directory_iterator{roots.sys / "class/powercap", error}) {
    const auto file = zone.path() / "energy_uj";
    if (std::filesystem::exists(file, error)) found.push_back(file);
  }
  return found;
}

}  // namespace

Result<int> install_remedy(Context& context, const Remedy& remedy) {
  if (!is_word(remedy.group))
    return fail(Errc::misuse, "--group expects the name of a group, not '" + remedy.group + "'");
  const std::filesystem::path file = remedy.rules / kRuleFile;
  const std::string rule = rule_for(remedy.group);
  context.out << file.string() << ":\n\n" << rule << '\n';
  if (::geteuid() != 0) {
    return fail(Errc::denied, "this rule must be installed by root: sudo everywatt doctor --fix");
  }
  TRY(const gid_t group, group_id(remedy.group));
  std::error_code error;
  std::filesystem::create_directories(remedy.rules, error);
  CHECK(write_text(file, rule));
  std::size_t changed = 0;
  for (const auto& counter : counters(context.roots)) {
    struct stat info{};
    if (::stat(counter.c_str(), &info) != 0 || ::chown(counter.c_str(), static_cast<uid_t>(-1), group) != 0 ||
        ::chmod(counter.c_str(), (info.st_mode & 07777) | S_IRGRP) != 0) {
      return fail_errno(errno, "let the group " + remedy.group + " read " + counter.string());
    }
    ++changed;
  }
  context.out << "installed; " << changed << " counters of this machine may now be read by the group " << remedy.group
              << "\nto join it: usermod -aG " << remedy.group << " USER, then log in again\n";
  return 0;
}

}  // namespace everywatt

#include "cli/bill_output.h"

#include <unistd.h>

#include <cerrno>
#include <filesystem>

#include "base/file.h"
#include "report/bill_json.h"
#include "report/bill_text.h"

namespace everywatt {

void BillOutput::add_options(Flags& flags) {
  flags.option("--json FILE", json_, "write the bill to this file as JSON (schema everywatt.run/1)");
  flags.flag("--quiet", quiet_, "print nothing of our own");
}

Result<void> BillOutput::check() const {
  if (!json_) return {};
  const std::filesystem::path file{*json_};
  const auto refuse = [&](const std::string& why) { return fail(Errc::misuse, "--json " + *json_ + ": " + why); };
  std::error_code ignored;
  if (std::filesystem::is_directory(file, ignored)) return refuse("is a folder, expected a file");
  const std::filesystem::path folder = file.has_parent_path() ? file.parent_path() : ".";
  if (!std::filesystem::is_directory(folder, ignored)) return refuse("there is no folder " + folder.string());
  const bool is_plain = !std::filesystem::exists(file, ignored) || std::filesystem::is_regular_file(file, ignored);
  // A plain file is renamed into its folder; a device or a pipe is written as it is.
  if (::access(is_plain ? folder.c_str() : file.c_str(), W_OK) != 0)
    return refuse(std::generic_category().message(errno));
  return {};
}

Result<void> BillOutput::write(Context& context, const Recording& recording, const Bill& bill) const {
  if (!quiet_) {
    context.err << '\n' << bill_text(bill, context.err_style);
    if (const auto place = recording.kept_in()) context.err << kept_text(*place, bill.run.id, context.err_style);
    context.err.flush();
  }
  if (!json_) return {};
  if (auto written = write_text(*json_, bill_json(bill)); !written)
    return fail(written.error().code, "the bill could not be written: " + written.error().what);
  return {};
}

}  // namespace everywatt

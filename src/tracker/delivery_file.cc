#include "tracker/delivery_file.h"

#include <fcntl.h>
#include <sys/file.h>

#include <algorithm>
#include <cerrno>
#include <string_view>

namespace everywatt {
namespace {

constexpr std::string_view kPrefix = "mlflow-";

std::filesystem::path folder_of(const std::filesystem::path& ledger) { return ledger.parent_path() / "delivery"; }

}  // namespace

Result<std::optional<DeliveryFile>> DeliveryFile::open(const std::filesystem::path& ledger, const std::string& run) {
  const auto folder = folder_of(ledger);
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) return fail_errno(error.value(), "make the folder " + folder.string());
  // The file itself is replaced at each write: what is locked is beside it.
  const auto path = folder / (std::string{kPrefix} + run + ".json");
  const auto lock_path = folder / (std::string{kPrefix} + run + ".lock");
  Fd lock{::open(lock_path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644)};
  if (!lock) return fail_errno(errno, "open " + lock_path.string());
  if (::flock(lock.get(), LOCK_EX | LOCK_NB) == 0) return std::optional{DeliveryFile{std::move(lock), path}};
  if (errno == EWOULDBLOCK) return std::optional<DeliveryFile>{};
  return fail_errno(errno, "lock " + lock_path.string());
}

Result<std::optional<Delivery>> DeliveryFile::read() const {
  const auto text = read_text(path_);
  if (!text && text.error().code == Errc::absent) return std::optional<Delivery>{};
  if (!text) return std::unexpected{text.error()};
  auto delivery = parse_delivery(*text);
  if (!delivery) {
    return fail(Errc::malformed, path_.string() + ": " + delivery.error().what +
                                     " (remove it: what the server has already is asked for, and not sent again)");
  }
  return std::optional{*std::move(delivery)};
}

Result<void> DeliveryFile::write(const Delivery& delivery) const { return write_text(path_, delivery_json(delivery)); }

void DeliveryFile::remove() const {
  std::error_code ignored;
  std::filesystem::remove(path_, ignored);
  auto lock_path = path_;
  std::filesystem::remove(lock_path.replace_extension(".lock"), ignored);
}

std::vector<std::string> undelivered_runs(const std::filesystem::path& ledger) {
  std::vector<std::string> runs;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator{folder_of(ledger), error}) {
    const std::string name = entry.path().stem().string();
    if (entry.path().extension() != ".json" || !name.starts_with(kPrefix)) continue;
    const auto text = read_text(entry.path());
    const auto delivery = text ? parse_delivery(*text) : Result<Delivery>{std::unexpected{text.error()}};
    if (!delivery || !delivery->complete) runs.push_back(name.substr(kPrefix.size()));
  }
  std::ranges::sort(runs);
  return runs;
}

}  // namespace everywatt

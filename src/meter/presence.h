// How the everywatts of one host know of each other, without a leader: each
// keeps a small file, locked while it lives, in a folder that all may write
// to. It is read only to divide idle energy; what cannot be read there is
// nobody's, never ours.
//
// The folder is one per boot and per roots (a recorded machine is a host of its
// own): /dev/shm/everywatt-<key>, else the temporary folder, mode 1777. A file
// that ended keeps its end for a few seconds, so that the others' last windows
// are divided right; then anyone who may removes it.
#pragma once
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/roots.h"
#include "meter/floor_board.h"
#include "meter/tenancy.h"

namespace everywatt {

class Presence {
 public:
  // Announces the run; `tenant.from` must not lie before this call by more than it takes.
  static Result<Presence> announce(const std::filesystem::path& folder, Tenant tenant);
  Presence(Presence&&) noexcept = default;
  Presence& operator=(Presence&&) = delete;
  ~Presence() = default;  // without leave(): the lock falls, and the others see a run that died

  // Our run and all others that can be read, as of now. While we are alone
  // and nobody came, the folder is not read: that would be a fifth of what a
  // second of everywatt costs.
  std::vector<Tenant> tenants(Nanoseconds now);
  // A better reservation, learnt once the job runs.
  Result<void> reserve(const Reservation& reservation);
  // With what the run read as it went.
  Result<void> leave(Nanoseconds end, std::span<const WorkReading> readings);
  // The floors agreed on; what we propose is added if it is news. One file of
  // the folder, written under a lock; none where the lock is not to be had
  // at once (what the caller knows already holds).
  std::optional<FloorBoard> floors(std::span<const ProposedFloor> proposed, Nanoseconds now, Company company);

 private:
  Presence(std::filesystem::path folder, Tenant tenant, Fd file, Fd watched)
      : folder_{std::move(folder)}, tenant_{std::move(tenant)}, file_{std::move(file)}, watched_{std::move(watched)} {}
  Result<void> write() const;

  std::filesystem::path folder_;
  Tenant tenant_;
  Fd file_;
  Fd watched_;                              // the folder
  std::optional<Nanoseconds> alone_since_;  // the folder's time of change when it held nobody else
};

// The folder for these roots, made if need be.
Result<std::filesystem::path> presence_folder(const Roots& roots);

// All runs that can be read there but one.
std::vector<Tenant> tenants_in(const std::filesystem::path& folder, Nanoseconds now, std::string_view but = {});

// The text of a presence file, and back; none for anything that is not one.
std::string format_tenant(const Tenant& tenant);
std::optional<Tenant> parse_tenant(std::string_view text);

}  // namespace everywatt

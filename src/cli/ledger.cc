#include "cli/ledger.h"

#include <unistd.h>

#include "base/file.h"
#include "cli/config.h"
#include "job/job.h"

namespace everywatt {
namespace {

std::string boot_id() { return read_line("/proc/sys/kernel/random/boot_id").value_or(""); }

std::string host_name() {
  char name[256] = {};
  return ::gethostname(name, sizeof name - 1) == 0 ? name : "";
}

// Another host's processes cannot be seen from here.
bool may_be_alive(const Run& run) { return run.host != host_name() || is_measured_here(run); }

}  // namespace

bool is_measured_here(const Run& run) {
  return run.status == RunStatus::running && run.host == host_name() && run.supervisor.boot_id == boot_id() &&
         start_ticks_of(static_cast<pid_t>(run.supervisor.pid)) == run.supervisor.start_ticks;
}

Result<std::unique_ptr<Store>> open_ledger(Context& context, Create create) {
  TRY(const StorePlace place, default_store_place());
  if (place.notice) context.err << "everywatt: " << *place.notice << '\n';
  const auto tell = [&err = context.err](std::string_view what) { err << "everywatt: " << what << '\n'; };
  auto store = open_store(place.path, {.form = place.form, .create = create == Create::yes, .tell = tell});
  if (!store && store.error().code == Errc::absent) {
    return fail(Errc::absent,
                "no runs yet: " + place.path.string() + " does not exist (everywatt run -- CMD makes the first)");
  }
  return store;
}

void settle(Store& store, Run& run) {
  if (run.status != RunStatus::running || may_be_alive(run)) return;
  run.status = RunStatus::lost;
  run.notices.push_back(
      "the supervisor was gone before the command ended: what it had committed is here, the command's end is not "
      "known");
  // A store that may only be read shows the same and keeps what it has.
  if (store.put_run(run)) (void)store.commit();
}

Result<Bill> read_bill(Store& store, std::string_view reference) {
  TRY(const std::string id, store.find(reference));
  TRY(RunRecord record, store.read(id));
  settle(store, record.run);
  TRY(const Config config, Config::load());
  Bill bill = bill_of(std::move(record));
  bill.facility = facility_of(bill, config.site());
  return bill;
}

std::string ledger_host(const std::string& host, const Roots& roots) {
  return roots.real() ? host : host + "@" + roots.sys.string();
}

Supervisor this_supervisor() {
  return {.pid = ::getpid(), .start_ticks = start_ticks_of(::getpid()).value_or(0), .boot_id = boot_id()};
}

}  // namespace everywatt

// everywatt-net follow mlflow RUN PID: the companion that `everywatt run` starts.
// It reads the ledger as anybody may, at the lowest priority, and nobody waits
// for it; what it cannot deliver stays in the ledger for `everywatt export mlflow`.
#include <poll.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <thread>

#include "base/file.h"
#include "base/text.h"
#include "cli/ledger.h"
#include "cli/mlflow_courier.h"
#include "cli/mlflow_settings.h"
#include "cli/net_commands.h"
#include "job/job.h"
#include "net/curl_client.h"

namespace everywatt {
namespace {

// After the run's end: as long as MLflow's own client waits for one answer (MLFLOW_HTTP_REQUEST_TIMEOUT, 120 s).
constexpr Nanoseconds kPatience = 120 * kSecond;
constexpr Nanoseconds kBeginning = kSecond / 5;

// The process that measures, for as long as it lives.
class Measurer {
 public:
  explicit Measurer(pid_t pid) : pid_{pid}, started_{start_ticks_of(pid)} {
    handle_ = Fd{static_cast<int>(::syscall(SYS_pidfd_open, pid, 0))};
  }
  [[nodiscard]] bool is_there() const { return started_ && start_ticks_of(pid_) == started_; }
  // Its end cuts the wait short.
  void wait(Nanoseconds time) const {
    if (!handle_ || !is_there()) return std::this_thread::sleep_for(std::chrono::nanoseconds{time});
    pollfd end{.fd = handle_.get(), .events = POLLIN, .revents = 0};
    const Nanoseconds milliseconds = std::min<Nanoseconds>(time / kMillisecond, 3'600'000);
    (void)::poll(&end, 1, static_cast<int>(milliseconds));
  }

 private:
  pid_t pid_;
  std::optional<std::uint64_t> started_;
  Fd handle_;
};

// The ledger, once the run stands in it; none: it never came to be (its command could not be started).
Result<std::unique_ptr<Store>> ledger_with(Context& context, const std::string& run, const Measurer& measurer) {
  for (;;) {
    const bool may_come = measurer.is_there();
    auto store = open_ledger(context, Create::no);
    if (store && (*store)->read(run)) return store;
    if (!store && store.error().code != Errc::absent) return store;
    if (!may_come) return fail(Errc::absent, "run " + run + " is not in the ledger");
    measurer.wait(kBeginning);
  }
}

}  // namespace

Result<int> mlflow_follow_command(Context& context, Args args) {
  const auto pid = args.size() == 3 ? parse_u64(args[2]) : std::nullopt;
  if (!pid || args[0] != "mlflow") return fail(Errc::misuse, "expected: follow mlflow RUN PID");
  const std::string& run = args[1];
  (void)::setpriority(PRIO_PROCESS, 0, 19);
  const Measurer measurer{static_cast<pid_t>(*pid)};
  TRY(const Config config, Config::load());
  TRY(const MlflowTarget target, mlflow_target(config));
  TRY(const auto store, ledger_with(context, run, measurer));
  TRY(const auto file, DeliveryFile::open(store->path(), run));
  if (!file) return 0;  // somebody delivers it already
  TRY(const auto client, open_curl_client({.verify_server = target.verify_server, .authorities = target.authorities}));
  MlflowServer server{*client, target};
  TRY(MlflowDelivery delivery, MlflowDelivery::open(server, target, *file, run));
  MlflowCourier courier{
      context,
      *store,
      config,
      {.is_measured = [&] { return measurer.is_there(); }, .wait = [&](Nanoseconds time) { measurer.wait(time); }}};
  const auto brought = courier.bring(server, delivery, run, MlflowCourier::Until::ended, kPatience);
  if (!brought && brought.error().code == Errc::absent && !store->read(run)) file->remove();  // removed from the ledger
  if (!brought) return std::unexpected{brought.error()};
  return 0;
}

}  // namespace everywatt

// everywatt export mlflow: delivers what the follower of a run could not.
#include <algorithm>
#include <thread>

#include "cli/flags.h"
#include "cli/ledger.h"
#include "cli/mlflow_courier.h"
#include "cli/mlflow_settings.h"
#include "cli/net_commands.h"
#include "net/curl_client.h"

namespace everywatt {
namespace {

// How long one who waits at a terminal waits for a server that is away.
constexpr Nanoseconds kPatience = 20 * kSecond;

struct Delivering {
  Context& context;
  Store& store;
  const Config& config;
  const MlflowTarget& target;
  HttpClient& client;
};

Result<void> deliver(const Delivering& with, const std::string& run) {
  TRY(const auto file, DeliveryFile::open(with.store.path(), run));
  if (!file) {
    with.context.out << run << "  is being delivered by another process\n";
    return {};
  }
  const auto record = with.store.read(run);
  if (!record && record.error().code == Errc::absent) {
    file->remove();
    with.context.out << run << "  is no longer in the ledger: nothing to deliver\n";
    return {};
  }
  if (!record) return std::unexpected{record.error()};
  MlflowServer server{with.client, with.target};
  TRY(MlflowDelivery delivery, MlflowDelivery::open(server, with.target, *file, run));
  if (delivery.state().complete) {
    with.context.out << run << "  is there already: " << with.target.url << " run " << delivery.state().remote_run
                     << '\n';
    return {};
  }
  MlflowCourier courier{
      with.context,
      with.store,
      with.config,
      {.is_measured = [&] { return is_measured_here(record->run); },
       .wait = [](Nanoseconds time) { std::this_thread::sleep_for(std::chrono::nanoseconds{time}); }}};
  CHECK(courier.bring(server, delivery, run, MlflowCourier::Until::now, kPatience));
  with.context.out << run << (delivery.state().complete ? "  delivered: " : "  is still measured, delivered so far: ")
                   << with.target.url << " run " << delivery.state().remote_run << '\n';
  if (delivery.state().bill && *delivery.state().bill != "delivered")
    with.context.err << "everywatt export: " << *delivery.state().bill << '\n';
  return {};
}

// The ids of those that were named; of none: of all whose delivery has begun and is not complete.
Result<std::vector<std::string>> runs_of(Store& store, const std::vector<std::string>& references) {
  if (references.empty()) return undelivered_runs(store.path());
  std::vector<std::string> ids;
  for (const std::string& reference : references) {
    TRY(std::string id, store.find(reference));
    if (std::ranges::find(ids, id) == ids.end()) ids.push_back(std::move(id));
  }
  return ids;
}

}  // namespace

Result<int> mlflow_export_command(Context& context, Args args) {
  std::string format;
  std::vector<std::string> references;
  Flags flags{
      "export", "mlflow [RUN...]",
      "Delivers runs to MLflow: points, final figures, tags and the bill. What is there already is not sent again. "
      "Without RUN: all runs whose delivery has begun and is not complete, as they are left where the server was away. "
      "The server is MLFLOW_TRACKING_URI, else tracking_uri under [export.mlflow] of everywatt.toml."};
  flags.positional("FORMAT", format, "mlflow");
  flags.positional("RUN", references, "ids, unique prefixes, names, or 'last'");
  TRY(const bool parsed, flags.parse(context, args));
  if (!parsed) return 0;
  if (format != "mlflow") return fail(Errc::misuse, "expected mlflow, not '" + format + "'");
  TRY(const Config config, Config::load());
  TRY(MlflowTarget target, mlflow_target(config));
  TRY(const auto store, open_ledger(context, Create::no));
  TRY(const auto runs, runs_of(*store, references));
  // One run of MLflow's is the place of one of ours.
  if (references.size() != 1) target.join_run.reset();
  TRY(const auto client, open_curl_client({.verify_server = target.verify_server, .authorities = target.authorities}));
  if (runs.empty()) context.out << "nothing waits to be delivered\n";
  int status = 0;
  for (const std::string& run : runs) {
    const auto delivered = deliver({context, *store, config, target, *client}, run);
    if (delivered) continue;
    context.err << "everywatt export: run " << run << ": " << delivered.error().what << '\n';
    status = 1;
    if (delivered.error().code == Errc::io) break;  // a server that is away is away for the others too
  }
  return status;
}

}  // namespace everywatt

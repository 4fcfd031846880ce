#include <cstdint>
#include <string>

#include "tracker/mlflow_server.h"

namespace {

using namespace everywatt;

// Answers each request alike: the first byte says with which status, the rest is the body.
class OneAnswer final : public HttpClient {
 public:
  explicit OneAnswer(HttpResponse answer) : answer_{std::move(answer)} {}
  Result<HttpResponse> send(const HttpRequest&) override { return answer_; }

 private:
  HttpResponse answer_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  constexpr int kStatuses[] = {200, 200, 200, 400, 401, 403, 404, 503, 302, 0};
  OneAnswer client{{.status = kStatuses[data[0] % std::size(kStatuses)],
                    .body = {reinterpret_cast<const char*>(data) + 1, size - 1}}};
  const MlflowTarget target{.url = "http://mlflow.example"};
  MlflowServer server{client, target};
  (void)server.experiment();
  (void)server.run_of("1", "abc");
  (void)server.create_run("1", "name", {.id = "abc"});
  (void)server.log_batch("{}");
  (void)server.history("run", "key");
  (void)server.end_run("run", "FINISHED", 0);
  (void)server.delete_run("run");
  if (const auto run = server.run("run")) (void)server.put_artifact(*run, "everywatt/bill.json", "{}");
  return 0;
}

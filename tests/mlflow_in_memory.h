// As much of MLflow as a delivery talks to, in memory: it keeps each point that
// it is given, also a second time, and can be made to fail as servers do. For tests.
#pragma once
#include <deque>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "net/encode.h"
#include "net/http.h"

namespace everywatt {

class MlflowInMemory final : public HttpClient {
 public:
  enum class Fault { unreachable, refuses, keeps_but_no_answer, keeps_half_but_no_answer, busy };
  struct Point {
    std::string key;
    double value;
    std::int64_t timestamp, step;
  };
  struct RemoteRun {
    std::string name, status = "RUNNING", lifecycle = "active";
    std::map<std::string, std::string> tags;
    std::vector<Point> points;
  };

  Result<HttpResponse> send(const HttpRequest& request) override {
    if (is_another) return HttpResponse{.status = 404, .body = "<html>nothing here</html>"};
    if (faults.empty() || fault_at-- > 0) return answer(request);
    const Fault fault = faults.front();
    faults.pop_front();
    fault_at = 0;
    if (fault == Fault::unreachable) return fail(Errc::io, "Couldn't connect to server");
    if (fault == Fault::refuses) return HttpResponse{.status = 401, .body = "You are not authenticated"};
    if (fault == Fault::busy)
      return HttpResponse{.status = 503, .body = "<html>busy</html>", .retry_after = 3 * kSecond};
    HttpRequest kept = request;
    if (fault == Fault::keeps_half_but_no_answer && request.url.contains("log-batch"))
      kept.body = half_of(request.body);
    (void)answer(kept);
    return fail(Errc::io, "Timeout was reached");
  }

  std::map<std::string, RemoteRun> runs = {};
  std::map<std::string, std::string> artifacts = {};
  std::deque<Fault> faults = {};
  std::size_t fault_at = 0;  // requests that are answered before the next fault
  bool is_another = false;   // some other server
  std::string artifact_scheme = "mlflow-artifacts:/";

 private:
  using Json = nlohmann::json;

  static std::string half_of(const std::string& body) {
    Json json = Json::parse(body);
    Json::array_t metrics = json["metrics"];
    metrics.resize(metrics.size() / 2);
    json["metrics"] = metrics;
    json["tags"] = Json::array();
    return json.dump();
  }

  static HttpResponse ok(const Json& json) { return {.status = 200, .body = json.dump()}; }
  static HttpResponse refused(int status, const char* code, const std::string& message) {
    return {
        .status = status,
        .body = Json{{"error_code", code}, {"message", message}}.dump(-1, ' ', false, Json::error_handler_t::replace)};
  }
  static std::string parameter(const std::string& url, const std::string& name) {
    const auto at = url.find(name + "=");
    return at == url.npos ? ""
                          : percent_decode(url.substr(at + name.size() + 1, url.find('&', at) - at - name.size() - 1));
  }

  Json shown(const std::string& id) const {
    return {
        {"info",
         {{"run_id", id}, {"lifecycle_stage", runs.at(id).lifecycle}, {"artifact_uri", artifact_scheme + "1/" + id}}}};
  }

  HttpResponse answer(const HttpRequest& request) {
    const std::string& url = request.url;
    const Json body = Json::parse(request.body, nullptr, false);
    if (url.contains("/experiments/get-by-name")) {
      if (experiments_ == 0) return refused(404, "RESOURCE_DOES_NOT_EXIST", "Could not find experiment");
      return ok({{"experiment", {{"experiment_id", "1"}, {"lifecycle_stage", "active"}}}});
    }
    if (url.contains("/experiments/create")) return ++experiments_, ok({{"experiment_id", "1"}});
    if (url.contains("/runs/create")) return create(body);
    if (url.contains("/runs/search")) return search(body.at("filter"));
    if (url.contains("/runs/get"))
      return of_run(parameter(url, "run_id"), [&](auto& id) { return ok({{"run", shown(id)}}); });
    if (url.contains("/metrics/get-history")) return history(parameter(url, "run_id"), parameter(url, "metric_key"));
    if (url.contains("/mlflow-artifacts/artifacts/")) {
      artifacts[url.substr(url.find("artifacts/", url.find("artifacts/") + 1) + 10)] = request.body;
      return ok(Json::object());
    }
    return of_run(body.at("run_id"), [&](auto& id) { return change(url, id, body); });
  }

  template <class Then>
  HttpResponse of_run(const std::string& id, Then then) {
    if (!runs.contains(id)) return refused(404, "RESOURCE_DOES_NOT_EXIST", "Run with id=" + id + " not found");
    return then(id);
  }

  HttpResponse change(const std::string& url, const std::string& id, const Json& body) {
    RemoteRun& run = runs[id];
    if (url.contains("/runs/delete")) return run.lifecycle = "deleted", ok(Json::object());
    if (run.lifecycle != "active") return refused(400, "INVALID_PARAMETER_VALUE", "must be in 'active' state");
    if (url.contains("/runs/update")) return run.status = body.at("status"), ok(Json::object());
    for (const Json& metric : body.at("metrics"))
      run.points.push_back({metric.at("key"), metric.at("value"), metric.at("timestamp"), metric.at("step")});
    for (const Json& tag : body.at("tags")) run.tags[tag.at("key")] = tag.at("value");
    return ok(Json::object());
  }

  HttpResponse create(const Json& body) {
    const std::string id = "remote" + std::to_string(runs.size() + 1);
    RemoteRun& run = runs[id];
    run.name = body.at("run_name");
    for (const Json& tag : body.at("tags")) run.tags[tag.at("key")] = tag.at("value");
    return ok({{"run", shown(id)}});
  }

  HttpResponse search(const std::string& filter) {
    for (const auto& [id, run] : runs) {
      const auto tag = run.tags.find("everywatt.run_id");
      if (run.lifecycle == "active" && tag != run.tags.end() && filter.contains("'" + tag->second + "'"))
        return ok({{"runs", {shown(id)}}});
    }
    return ok(Json::object());
  }

  // Whole numbers as texts, as protobuf writes 64 bits.
  HttpResponse history(const std::string& id, const std::string& key) {
    Json metrics = Json::array();
    for (const Point& point : runs[id].points) {
      if (point.key == key)
        metrics.push_back({{"key", key},
                           {"value", point.value},
                           {"timestamp", std::to_string(point.timestamp)},
                           {"step", point.step}});
    }
    return ok({{"metrics", metrics}});
  }

  int experiments_ = 0;
};

}  // namespace everywatt

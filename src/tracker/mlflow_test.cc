#include <gtest/gtest.h>
#include <unistd.h>

#include <set>
#include <tuple>

#include "tests/mlflow_in_memory.h"
#include "tracker/mlflow_delivery.h"

namespace everywatt {
namespace {

using Fault = MlflowInMemory::Fault;

// A run of 60 J that is followed every ten seconds, a joule a second.
class MlflowDeliveryTest : public testing::Test {
 protected:
  MlflowDeliveryTest() {
    folder_ = std::filesystem::temp_directory_path() / ("everywatt-mlflow-" + std::to_string(::getpid()));
    std::filesystem::remove_all(folder_);
    file_.emplace(*DeliveryFile::open(folder_ / "everywatt.db", "abc").value());
    bill_.run = {.id = "abc", .name = "digits"};
    bill_.run.started = {.steady = 0, .wall = 1'700'000'000 * kSecond};
  }
  ~MlflowDeliveryTest() override { std::filesystem::remove_all(folder_); }

  // As it stands after so many seconds.
  Deliverable after(int seconds, RunStatus status = RunStatus::running) {
    bill_.duration = seconds * kSecond;
    bill_.run.status = status;
    bill_.energy.total = seconds * 1'000'000;
    return {.bill = bill_,
            .bill_json = "{\"id\":\"abc\"}",
            .has_ended = status != RunStatus::running,
            .ticks = [seconds](Nanoseconds interval, Nanoseconds from) {
              std::vector<EnergyTick> ticks;
              for (Nanoseconds t = from + interval; t < seconds * kSecond; t += interval)
                ticks.push_back({.elapsed = t, .total = t / 1000, .power = {{DeviceKind::package, 1.0 * watt}}});
              return ticks;
            }};
  }

  // What a process does that begins anew.
  Result<void> deliver(const Deliverable& run) {
    MlflowServer server{mlflow_, target_};
    auto delivery = MlflowDelivery::open(server, target_, *file_, "abc");
    EXPECT_TRUE(delivery);
    auto delivered = delivery->deliver(run);
    if (!delivered) delivery->note_trouble(delivered.error().what, 0);
    return delivered;
  }

  // Each point once: the live ones of two keys, and the final ones.
  void expect_whole(const std::string& remote, int live) {
    std::set<std::tuple<std::string, std::int64_t, std::int64_t>> places;
    int totals = 0;
    for (const auto& point : mlflow_.runs[remote].points) {
      EXPECT_TRUE(places.emplace(point.key, point.timestamp, point.step).second)
          << point.key << " twice at " << point.step;
      totals += point.key == "energy/total_joules" ? 1 : 0;
    }
    EXPECT_EQ(totals, live + 1);
    EXPECT_EQ(mlflow_.runs[remote].points.size(), static_cast<std::size_t>(2 * live + 3))
        << "total, kWh and duration last";
  }

  std::filesystem::path folder_;
  std::optional<DeliveryFile> file_;
  Bill bill_;
  MlflowTarget target_{.url = "http://mlflow.example", .authorization = "Authorization: Bearer s3cret"};
  MlflowInMemory mlflow_;
};

TEST_F(MlflowDeliveryTest, ARunIsMadeFollowedAndEnded) {
  ASSERT_TRUE(deliver(after(35)));
  EXPECT_EQ(mlflow_.runs["remote1"].points.size(), 6U);
  EXPECT_EQ(mlflow_.runs["remote1"].status, "RUNNING");
  ASSERT_TRUE(deliver(after(60, RunStatus::finished)));
  expect_whole("remote1", 5);
  EXPECT_EQ(mlflow_.runs["remote1"].name, "digits");
  EXPECT_EQ(mlflow_.runs["remote1"].status, "FINISHED");
  EXPECT_EQ(mlflow_.runs["remote1"].tags["everywatt.boundary"], "components");
  EXPECT_EQ(mlflow_.artifacts["1/remote1/everywatt/bill.json"], "{\"id\":\"abc\"}");
  ASSERT_TRUE(deliver(after(60, RunStatus::finished)));
  expect_whole("remote1", 5);
}

// Every fault at every request of a delivery, one after the other, and the same delivery again until it is through.
TEST_F(MlflowDeliveryTest, WhateverFailsWheneverNoPointIsLostOrDoubled) {
  for (const Fault fault :
       {Fault::unreachable, Fault::busy, Fault::keeps_but_no_answer, Fault::keeps_half_but_no_answer}) {
    for (std::size_t place = 0; place < 12; ++place) {
      mlflow_ = {};
      file_->remove();
      mlflow_.fault_at = place;
      mlflow_.faults = {fault};
      for (int seconds = 15; seconds <= 45; seconds += 15) (void)deliver(after(seconds));
      for (int tries = 0; tries < 3 && !deliver(after(60, RunStatus::failed)); ++tries) {
      }
      EXPECT_TRUE(mlflow_.faults.empty()) << "the fault came";
      EXPECT_EQ(mlflow_.runs.size(), 1U);
      expect_whole("remote1", 5);
      EXPECT_EQ(mlflow_.runs["remote1"].status, "FAILED");
      EXPECT_TRUE(file_->read()->value().complete);
    }
  }
}

TEST_F(MlflowDeliveryTest, AJoinedRunGetsTheFiguresAndKeepsItsStatus) {
  mlflow_.runs["theirs"].status = "RUNNING";
  target_.join_run = "theirs";
  ASSERT_TRUE(deliver(after(60, RunStatus::finished)));
  EXPECT_EQ(mlflow_.runs.size(), 1U);
  expect_whole("theirs", 5);
  EXPECT_EQ(mlflow_.runs["theirs"].status, "RUNNING");
}

TEST_F(MlflowDeliveryTest, ARunThatTheJobBeginsItselfGetsEveryPointAndOursGoes) {
  ASSERT_TRUE(deliver(after(35)));
  mlflow_.runs["jobs"].status = "RUNNING";
  bill_.run.tags["mlflow.run_id"] = "jobs";
  ASSERT_TRUE(deliver(after(60, RunStatus::finished)));
  expect_whole("jobs", 5);
  EXPECT_EQ(mlflow_.runs["remote1"].lifecycle, "deleted");
}

TEST_F(MlflowDeliveryTest, AJobMaySayAnyBytes) {
  bill_.run.name = "\xff\xfe";
  bill_.run.tags["mlflow.run_id"] = "no such \xff run";
  const auto refused = deliver(after(35));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::absent);
  bill_.run.tags.clear();
  file_->remove();
  EXPECT_TRUE(deliver(after(35)));
}

TEST_F(MlflowDeliveryTest, ADeletedRunIsSaidInOneLineAndDeliveredOnceRestored) {
  ASSERT_TRUE(deliver(after(35)));
  mlflow_.runs["remote1"].lifecycle = "deleted";
  const auto refused = deliver(after(60, RunStatus::finished));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::absent);
  EXPECT_TRUE(refused.error().what.contains("mlflow runs restore --run-id remote1")) << refused.error().what;
  EXPECT_EQ(file_->read()->value().trouble->line, refused.error().what);
  mlflow_.runs["remote1"].lifecycle = "active";
  ASSERT_TRUE(deliver(after(60, RunStatus::finished)));
  expect_whole("remote1", 5);
  EXPECT_FALSE(file_->read()->value().trouble);
}

TEST_F(MlflowDeliveryTest, OneThatIsDeletedBetweenTwoRequestsIsToldTheSame) {
  MlflowServer server{mlflow_, target_};
  auto delivery = MlflowDelivery::open(server, target_, *file_, "abc");
  ASSERT_TRUE(delivery->deliver(after(35)));
  mlflow_.runs["remote1"].lifecycle = "deleted";
  const auto refused = delivery->deliver(after(60, RunStatus::finished));
  ASSERT_FALSE(refused);
  EXPECT_TRUE(refused.error().what.contains("was deleted from MLflow")) << refused.error().what;
}

TEST_F(MlflowDeliveryTest, AWrongTokenIsNeverShown) {
  mlflow_.faults = {Fault::refuses};
  const auto refused = deliver(after(35));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::denied);
  EXPECT_TRUE(refused.error().what.contains("MLFLOW_TRACKING_TOKEN")) << refused.error().what;
  EXPECT_FALSE(refused.error().what.contains("s3cret"));
  EXPECT_FALSE(read_text(file_->path())->contains("s3cret"));
}

TEST_F(MlflowDeliveryTest, ArtifactsOfAnotherKindAreSaidAndSkipped) {
  mlflow_.artifact_scheme = "s3://bucket/";
  ASSERT_TRUE(deliver(after(60, RunStatus::finished)));
  EXPECT_TRUE(file_->read()->value().complete);
  EXPECT_TRUE(file_->read()->value().bill->contains("--serve-artifacts"));
  EXPECT_TRUE(mlflow_.artifacts.empty());
}

TEST_F(MlflowDeliveryTest, AServerThatIsNoMlflowIsSaid) {
  mlflow_.is_another = true;
  const auto refused = deliver(after(35));
  ASSERT_FALSE(refused);
  EXPECT_TRUE(refused.error().what.contains("not as an MLflow server")) << refused.error().what;
}

TEST_F(MlflowDeliveryTest, AnotherServerGetsTheWholeRun) {
  ASSERT_TRUE(deliver(after(60, RunStatus::finished)));
  mlflow_ = {};
  target_.url = "http://another.example";
  ASSERT_TRUE(deliver(after(60, RunStatus::finished)));
  expect_whole("remote1", 5);
}

}  // namespace
}  // namespace everywatt

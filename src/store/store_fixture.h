// What the store's tests share: a folder of their own, runs to put, and a
// store opened there.
#pragma once
#include <gtest/gtest.h>

#include <filesystem>
#include <memory>
#include <string>

#include "store/store.h"
#include "tests/fixture_tree.h"

namespace everywatt::testing {

inline Run run_named(std::string id, Nanoseconds started_wall = 1'000 * kSecond) {
  Run run{.id = std::move(id)};
  run.name = "train";
  run.started = {.steady = 5 * kSecond, .wall = started_wall};
  return run;
}

// A counted device with a figure.
inline DeviceRecord device_named(std::string id) {
  DeviceRecord record{.device = {.id = std::move(id), .kind = DeviceKind::package}};
  record.method = Method::counter;
  record.measured = 0;
  return record;
}

inline Entry entry_of(std::string device, MicroJoules energy, Account account = Account::busy,
                      std::int64_t minute = 7) {
  return {.device = std::move(device), .phase = "train/epoch", .account = account, .minute = minute, .energy = energy};
}

inline RunDelta points_of(std::string device, Track track, std::vector<SeriesPoint> points) {
  RunDelta delta;
  delta.series.push_back({.device = std::move(device)});
  delta.series.back().points[track] = std::move(points);
  return delta;
}

// A folder with the store in it, and a clock that stands.
class StorePlaceFixture {
 public:
  [[nodiscard]] std::filesystem::path path() const { return tree_.root() / "everywatt.db"; }
  [[nodiscard]] std::filesystem::path folder() const { return tree_.root(); }
  Result<std::unique_ptr<Store>> open(StoreForm form = StoreForm::one_file) {
    return open_store(path(), {.form = form, .clock = &clock});
  }
  FakeClock clock;

 private:
  FixtureTree tree_;
};

// The value, or a failed test that says why.
template <class T>
T must(Result<T> result) {
  if (!result) {
    ADD_FAILURE() << result.error().what;
    throw std::runtime_error(result.error().what);
  }
  return *std::move(result);
}
inline void must(Result<void> result) {
  if (!result) throw std::runtime_error(result.error().what);
}

// A test of what any store does, over both forms that it can have on disk.
class AnyStore : public ::testing::TestWithParam<StoreForm> {
 protected:
  std::unique_ptr<Store> open() { return must(place_.open(GetParam())); }
  StorePlaceFixture place_;
};
inline const auto kForms = ::testing::Values(StoreForm::one_file, StoreForm::file_per_run);
inline std::string form_name(const ::testing::TestParamInfo<StoreForm>& form) {
  return form.param == StoreForm::one_file ? "OneFile" : "FilePerRun";
}

}  // namespace everywatt::testing

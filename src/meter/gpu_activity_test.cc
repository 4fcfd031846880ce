// Whose the work of a GPU is, of which the driver says when it was, at looks that say who held contexts.
#include "meter/gpu_activity.h"

#include <gtest/gtest.h>

namespace everywatt {
namespace {

using Snapshot = GpuActivity::Snapshot;
constexpr Nanoseconds kTenth = kSecond / 10;
constexpr std::int64_t kOurs = 1, kAnothers = 100;

Owner owner_of(std::int64_t pid) { return pid < 100 ? Owner::run : Owner::others; }

// A GPU whose work is told at each look, up to it.
class Gpu {
 public:
  Gpu() { look(0, {}); }
  void look(double worked, std::vector<std::int64_t> contexts) {
    Snapshot snapshot{.time = now_, .told = {{.until = now_, .share = worked}}};
    for (const std::int64_t pid : contexts) snapshot.processes.push_back({.pid = pid, .has_context = true});
    take(snapshot);
  }
  // A look whose call for the processes failed.
  void look_blindly(double worked) {
    take({.time = now_, .lists_processes = false, .told = {{.until = now_, .share = worked}}});
  }
  void pass(Nanoseconds time) { now_ += time; }

  struct Sum {
    Nanoseconds ours = 0;
    Nanoseconds others = 0;
    Nanoseconds unknown = 0;  // whose, or whether any: the whole stretch
  };
  Sum end() {
    activity_.finish();
    Sum sum;
    for (const Activity::Piece& piece : activity_.close()) {
      EXPECT_EQ(piece.begin, told_until_);
      told_until_ = piece.end;
      sum.ours += piece.is_told ? piece.ours : 0;
      sum.others += piece.is_told ? piece.worked - piece.ours : 0;
      sum.unknown += piece.is_told ? 0 : piece.end - piece.begin;
    }
    EXPECT_EQ(told_until_, now_);
    return sum;
  }
  std::size_t pieces_now() {
    const auto pieces = activity_.close();
    if (!pieces.empty()) told_until_ = pieces.back().end;
    return pieces.size();
  }

 private:
  void take(const Snapshot& snapshot) { activity_.take(snapshot, owner_of); }

  GpuActivity activity_;
  Nanoseconds now_ = 0;
  Nanoseconds told_until_ = 0;
};

TEST(GpuActivity, WorkOfAJobThatIsGoneAtTheNextLookIsStillItsOwn) {
  Gpu gpu;
  gpu.pass(kTenth), gpu.look(1, {kOurs});
  gpu.pass(3 * kTenth), gpu.look(1, {});
  gpu.pass(3 * kTenth), gpu.look(1, {});
  const Gpu::Sum sum = gpu.end();
  EXPECT_EQ(sum.ours, 7 * kTenth);
  EXPECT_EQ(sum.others + sum.unknown, 0);
}

TEST(GpuActivity, WorkThatPrecedesTheLookAtWhoDoesItIsTheirs) {
  Gpu gpu;
  gpu.pass(2 * kTenth), gpu.look(1, {});
  gpu.pass(kTenth), gpu.look(1, {});
  EXPECT_EQ(gpu.pieces_now(), 0U);  // it waits
  gpu.pass(kTenth), gpu.look(1, {kOurs, kAnothers});
  const Gpu::Sum sum = gpu.end();
  EXPECT_EQ(sum.ours, 2 * kTenth);
  EXPECT_EQ(sum.others, 2 * kTenth);
}

TEST(GpuActivity, OfWorkThatNobodyWasSeenAtItIsNotKnownWhoseItIs) {
  Gpu gpu;
  for (int i = 0; i < 20; ++i) gpu.pass(kTenth), gpu.look(0.5, {});
  EXPECT_GE(gpu.pieces_now(), 10U);  // it does not wait for ever
  const Gpu::Sum sum = gpu.end();
  EXPECT_EQ(sum.ours + sum.others, 0);
  EXPECT_GT(sum.unknown, 0);
}

TEST(GpuActivity, WhoWasThereLongAgoDidNotDoIt) {
  Gpu gpu;
  gpu.pass(kTenth), gpu.look(1, {kAnothers});
  for (int i = 0; i < 40; ++i) gpu.pass(kTenth), gpu.look(0, {});
  for (int i = 0; i < 10; ++i) gpu.pass(kTenth), gpu.look(1, {});
  const Gpu::Sum sum = gpu.end();
  EXPECT_EQ(sum.others, kTenth);
  EXPECT_EQ(sum.unknown, 10 * kTenth);
}

TEST(GpuActivity, ALookThatCouldNotListTheProcessesSawNobodyLeave) {
  Gpu gpu;
  gpu.pass(kTenth), gpu.look(1, {kOurs});
  for (int i = 0; i < 15; ++i) gpu.pass(kTenth), gpu.look_blindly(1);
  gpu.pass(kTenth), gpu.look(1, {kOurs});
  const Gpu::Sum sum = gpu.end();
  EXPECT_EQ(sum.ours, 17 * kTenth);
}

TEST(GpuActivity, AnIdleGpuThatNobodyHoldsIsKnownToBeIdle) {
  Gpu gpu;
  for (int i = 0; i < 10; ++i) gpu.pass(kTenth), gpu.look(0.001, {});
  EXPECT_EQ(gpu.end().unknown, 0);
}

// A slice of a GPU that is cut.
Snapshot of_slice(Nanoseconds time, std::vector<std::int64_t> contexts) {
  Snapshot snapshot{.time = time, .slices = {{.share = 0.5, .tells_work = true, .worked = 1}, {.share = 0.5}}};
  for (const std::int64_t pid : contexts) snapshot.processes.push_back({.pid = pid, .has_context = true});
  return snapshot;
}

TEST(GpuActivity, ASliceIsItsHoldersToTheEnd) {
  GpuActivity activity;
  activity.take(of_slice(0, {}), owner_of);
  activity.take(of_slice(kTenth, {kOurs}), owner_of);
  activity.take(of_slice(3 * kTenth, {}), owner_of);
  for (const Activity::Piece& piece : activity.close()) {
    EXPECT_TRUE(piece.is_told);
    EXPECT_EQ(piece.ours, (piece.end - piece.begin) / 2);
  }
}

TEST(GpuActivity, OfASliceThatNobodyWasSeenInItIsNotKnownWhoseItsWorkIs) {
  GpuActivity activity;
  activity.take(of_slice(0, {}), owner_of);
  activity.take(of_slice(kTenth, {}), owner_of);
  EXPECT_FALSE(activity.close().front().is_told);
}

}  // namespace
}  // namespace everywatt

// Which GPUs a process has set aside: every variable in every form, and what it may open.
#include "job/gpu_reservation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/fixture_tree.h"

namespace everywatt {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using Names = std::vector<std::string>;

constexpr bool kPart = true;

Device gpu(unsigned index, unsigned minor, std::string uuid, std::string model = "NVIDIA H100 80GB HBM3") {
  return {.id = "gpu:" + uuid,
          .kind = DeviceKind::gpu,
          .model = std::move(model),
          .index = index,
          .node = "/dev/nvidia" + std::to_string(minor)};
}

// Four, whose files are numbered in another order than the driver's.
std::vector<Device> four() {
  return {gpu(0, 3, "GPU-a0"), gpu(1, 2, "GPU-b1"), gpu(2, 1, "GPU-c2"), gpu(3, 0, "GPU-a3")};
}
OpenGpus host() { return {.gpus = four()}; }
// One of the host's is in a container, as its first.
OpenGpus container(bool is_part = false) { return {.gpus = {gpu(0, 6, "GPU-d6")}, .is_part = is_part}; }
// The first cut in two, the second whole.
OpenGpus cut() {
  OpenGpus open{.gpus = {gpu(0, 0, "GPU-a0"), gpu(1, 1, "GPU-b1")}};
  open.gpus[0].slices = {{.share = 3.0 / 7, .names = {"MIG-one"}}, {.share = 2.0 / 7, .names = {"MIG-two"}}};
  return open;
}

// "A=1 B=2" as an environment.
std::optional<Names> visible(std::string text, const OpenGpus& open) {
  std::ranges::replace(text, ' ', '\0');
  return visible_gpus("PATH=/bin" + std::string(1, '\0') + text + '\0', open);
}

TEST(VisibleGpus, NothingIsSaidWhereNothingSaysIt) {
  EXPECT_FALSE(visible_gpus("", host()));
  EXPECT_FALSE(visible("A=1", host()));
  EXPECT_FALSE(visible("MY_CUDA_VISIBLE_DEVICES=1 CUDA_VISIBLE_DEVICES_=1", host()));
}

TEST(VisibleGpus, OfCudaAreByIndex) {
  EXPECT_THAT(*visible("CUDA_VISIBLE_DEVICES=2,0", host()), ElementsAre("GPU-c2", "GPU-a0"));
  EXPECT_THAT(*visible_gpus("CUDA_VISIBLE_DEVICES= 1, 3 ", host()), ElementsAre("GPU-b1", "GPU-a3"));
  EXPECT_THAT(*visible("CUDA_VISIBLE_DEVICES=0", container()), ElementsAre("GPU-d6"));
  EXPECT_FALSE(visible("CUDA_VISIBLE_DEVICES=all", host()));
}

TEST(VisibleGpus, OfCudaEndBeforeTheFirstThatIsNone) {
  EXPECT_THAT(*visible("CUDA_VISIBLE_DEVICES=0,2,-1,1", host()), ElementsAre("GPU-a0", "GPU-c2"));
  EXPECT_THAT(*visible("CUDA_VISIBLE_DEVICES=0,4,1", host()), ElementsAre("GPU-a0"));
  EXPECT_THAT(*visible("CUDA_VISIBLE_DEVICES=1,GPU-ff,2", host()), ElementsAre("GPU-b1"));
  for (const char* none : {"", "-1", "NoDevFiles", "none", "void"})
    EXPECT_THAT(*visible(std::string{"CUDA_VISIBLE_DEVICES="} + none, host()), IsEmpty()) << none;
  EXPECT_THAT(*visible("CUDA_VISIBLE_DEVICES=3", container()), IsEmpty());
}

TEST(VisibleGpus, OfCudaAreByAsMuchOfTheirNameAsIsTheirsAlone) {
  EXPECT_THAT(*visible("CUDA_VISIBLE_DEVICES=GPU-b1", host()), ElementsAre("GPU-b1"));
  EXPECT_THAT(*visible("CUDA_VISIBLE_DEVICES=GPU-c,GPU-a3", host()), ElementsAre("GPU-c2", "GPU-a3"));
  EXPECT_THAT(*visible("CUDA_VISIBLE_DEVICES=GPU-b1,GPU-a,GPU-c2", host()), ElementsAre("GPU-b1"));
}

TEST(VisibleGpus, OfCudaMayBeSlices) {
  EXPECT_THAT(*visible("CUDA_VISIBLE_DEVICES=MIG-two", cut()), ElementsAre("MIG-two"));
  EXPECT_THAT(*visible("CUDA_VISIBLE_DEVICES=MIG-three", cut()), IsEmpty());
  OpenGpus old = cut();
  old.gpus[0].slices = {{.share = 3.0 / 7, .names = {"MIG-GPU-a0/1/0"}},
                        {.share = 2.0 / 7, .names = {"MIG-GPU-a0/5/0"}}};
  EXPECT_THAT(*visible("CUDA_VISIBLE_DEVICES=MIG-GPU-a0/5/0", old), ElementsAre("MIG-GPU-a0/5/0"));
  // The old name to a newer driver: clear where the GPU has one slice alone.
  EXPECT_THAT(*visible("CUDA_VISIBLE_DEVICES=MIG-GPU-a0/5/0", cut()), IsEmpty());
  OpenGpus single = cut();
  single.gpus[0].slices.pop_back();
  EXPECT_THAT(*visible("CUDA_VISIBLE_DEVICES=MIG-GPU-a0/5/0", single), ElementsAre("MIG-one"));
  EXPECT_THAT(*visible("CUDA_VISIBLE_DEVICES=0", cut()), ElementsAre("MIG-one", "MIG-two"));
}

TEST(VisibleGpus, OfCudaAreNotToldByIndexWhereTheOrderIsNotKnown) {
  OpenGpus unlike = host();
  unlike.gpus[1].model = "NVIDIA T4";
  EXPECT_FALSE(visible("CUDA_VISIBLE_DEVICES=1", unlike));
  EXPECT_THAT(*visible("CUDA_VISIBLE_DEVICES=1 CUDA_DEVICE_ORDER=PCI_BUS_ID", unlike), ElementsAre("GPU-b1"));
  EXPECT_FALSE(visible("CUDA_VISIBLE_DEVICES=1 CUDA_DEVICE_ORDER=FASTEST_FIRST", unlike));
  EXPECT_THAT(*visible("CUDA_VISIBLE_DEVICES=GPU-c2", unlike), ElementsAre("GPU-c2"));
  EXPECT_EQ(visible("CUDA_VISIBLE_DEVICES=3,2,1,0", unlike)->size(), 4u);
}

TEST(VisibleGpus, OfCudaAreCountedAmongThoseThatMayBeOpened) {
  const OpenGpus two{.gpus = {gpu(2, 1, "GPU-c2"), gpu(3, 0, "GPU-a3")}, .is_part = true};
  EXPECT_THAT(*visible("CUDA_VISIBLE_DEVICES=1", two), ElementsAre("GPU-a3"));
  // One that is lost keeps its index.
  OpenGpus lost = host();
  lost.gpus.erase(lost.gpus.begin() + 1);
  EXPECT_THAT(*visible("CUDA_VISIBLE_DEVICES=2", lost), ElementsAre("GPU-c2"));
}

TEST(VisibleGpus, OfSlurmAreByTheNumbersOfTheirFiles) {
  for (const std::string variable : {"SLURM_STEP_GPUS", "SLURM_JOB_GPUS"}) {
    EXPECT_THAT(*visible(variable + "=0,2", host()), ElementsAre("GPU-a3", "GPU-b1")) << variable;
    EXPECT_THAT(*visible(variable + "=6", container(kPart)), ElementsAre("GPU-d6")) << variable;
    EXPECT_FALSE(visible(variable + "=", host())) << variable;
    EXPECT_FALSE(visible(variable + "=7", host())) << variable;
    EXPECT_FALSE(visible(variable + "=1", cut())) << variable;
    EXPECT_THAT(*visible(variable + "=7", container(kPart)), ElementsAre("GPU-d6")) << variable;
  }
  OpenGpus nameless = host();
  for (Device& each : nameless.gpus) each.node.clear();
  EXPECT_THAT(*visible("SLURM_JOB_GPUS=2", nameless), ElementsAre("GPU-c2"));
}

TEST(VisibleGpus, TheNarrowestSays) {
  EXPECT_THAT(*visible("NVIDIA_VISIBLE_DEVICES=3 SLURM_JOB_GPUS=0,1 SLURM_STEP_GPUS=1 CUDA_VISIBLE_DEVICES=0", host()),
              ElementsAre("GPU-a0"));
  EXPECT_THAT(*visible("NVIDIA_VISIBLE_DEVICES=3 SLURM_JOB_GPUS=0,1 SLURM_STEP_GPUS=1", host()), ElementsAre("GPU-c2"));
  EXPECT_THAT(*visible("NVIDIA_VISIBLE_DEVICES=3 SLURM_JOB_GPUS=0,1", host()), ElementsAre("GPU-a3", "GPU-c2"));
  // What says nothing here leaves it to the next.
  EXPECT_THAT(
      *visible("SLURM_STEP_GPUS=9 SLURM_JOB_GPUS= NVIDIA_VISIBLE_DEVICES=GPU-b1 CUDA_VISIBLE_DEVICES=all", host()),
      ElementsAre("GPU-b1"));
}

TEST(VisibleGpus, OfOtherVendorsSayNothing) {
  EXPECT_FALSE(visible("GPU_DEVICE_ORDINAL=1 ROCR_VISIBLE_DEVICES=1", host()));
}

TEST(VisibleGpus, OfAContainersRuntimeByNameAreCertain) {
  EXPECT_THAT(*visible("NVIDIA_VISIBLE_DEVICES=GPU-c2,GPU-b", host()), ElementsAre("GPU-c2", "GPU-b1"));
  EXPECT_THAT(*visible("NVIDIA_VISIBLE_DEVICES=GPU-d6", container()), ElementsAre("GPU-d6"));
  EXPECT_THAT(*visible("NVIDIA_VISIBLE_DEVICES=GPU-d6,GPU-e7", container()), ElementsAre("GPU-d6"));
  EXPECT_THAT(*visible("NVIDIA_VISIBLE_DEVICES=MIG-two", cut()), ElementsAre("MIG-two"));
  EXPECT_FALSE(visible("NVIDIA_VISIBLE_DEVICES=GPU-e7", container()));
}

TEST(VisibleGpus, OfAContainersRuntimeByIndexAreTheHosts) {
  EXPECT_THAT(*visible("NVIDIA_VISIBLE_DEVICES=3", host()), ElementsAre("GPU-a3"));
  EXPECT_THAT(*visible("NVIDIA_VISIBLE_DEVICES=0,2", host()), ElementsAre("GPU-a0", "GPU-c2"));
  EXPECT_THAT(*visible("NVIDIA_VISIBLE_DEVICES=3", container()), ElementsAre("GPU-d6"));
  EXPECT_THAT(*visible("NVIDIA_VISIBLE_DEVICES=0", container()), ElementsAre("GPU-d6"));
  EXPECT_THAT(*visible("NVIDIA_VISIBLE_DEVICES=3", container(kPart)), ElementsAre("GPU-d6"));
  const OpenGpus two{.gpus = {gpu(0, 5, "GPU-e5"), gpu(1, 6, "GPU-d6")}, .is_part = true};
  EXPECT_THAT(*visible("NVIDIA_VISIBLE_DEVICES=1,3", two), ElementsAre("GPU-e5", "GPU-d6"));
  EXPECT_THAT(*visible("NVIDIA_VISIBLE_DEVICES=0,1", two), ElementsAre("GPU-e5", "GPU-d6"));
}

TEST(VisibleGpus, OfAContainersRuntimeMayBeSlices) {
  EXPECT_THAT(*visible("NVIDIA_VISIBLE_DEVICES=0:1", cut()), ElementsAre("MIG-two"));
  EXPECT_THAT(*visible("NVIDIA_VISIBLE_DEVICES=0:0,1", cut()), ElementsAre("MIG-one", "GPU-b1"));
  OpenGpus inside{.gpus = {gpu(0, 4, "GPU-a0")}};
  inside.gpus[0].slices = {{.share = 2.0 / 7, .names = {"MIG-two"}}};
  for (const std::string value : {"0:1", "4:1", "MIG-GPU-a0/5/0", "MIG-two"})
    EXPECT_THAT(*visible("NVIDIA_VISIBLE_DEVICES=" + value, inside), ElementsAre("MIG-two")) << value;
}

TEST(VisibleGpus, OfAContainersRuntimeInAnotherFormAreAllThatThereAre) {
  for (const std::string value :
       {"/var/run/nvidia-container-devices", "nvidia.com/gpu=3", "runtime.nvidia.com/gpu=all"})
    EXPECT_THAT(*visible("NVIDIA_VISIBLE_DEVICES=" + value, container()), ElementsAre("GPU-d6")) << value;
}

TEST(VisibleGpus, OfAContainersRuntimeThatSaysAllOrNoneAreThoseThatMayBeOpened) {
  for (const std::string value : {"", "all", "none", "void"}) {
    EXPECT_FALSE(visible("NVIDIA_VISIBLE_DEVICES=" + value, host())) << value;
    EXPECT_THAT(*visible("NVIDIA_VISIBLE_DEVICES=" + value, container(kPart)), ElementsAre("GPU-d6")) << value;
  }
}

TEST(VisibleGpus, WithoutAWordAreThoseThatMayBeOpenedWhereThereAreMore) {
  EXPECT_FALSE(visible("A=1", container()));
  EXPECT_THAT(*visible("A=1", container(kPart)), ElementsAre("GPU-d6"));
  OpenGpus part = cut();
  part.is_part = true;
  EXPECT_THAT(*visible("A=1", part), ElementsAre("MIG-one", "MIG-two", "GPU-b1"));
}

Names ids(const OpenGpus& open) {
  Names all;
  for (const Device& each : open.gpus) all.push_back(each.id);
  return all;
}

TEST(OpenGpus, AreAPartWhereTheMachineHasOneThatCannotBeOpened) {
  const auto all = [](const std::string&) { return true; };
  const auto seen = four();
  const Names files{"/dev/nvidia0", "/dev/nvidia1", "/dev/nvidia2", "/dev/nvidia3"};
  EXPECT_FALSE(open_gpus(seen, files, all).is_part);
  EXPECT_FALSE(open_gpus(seen, {}, all).is_part);
  const std::span two = std::span{seen}.subspan(1, 2);
  const auto files_of_two = [](const std::string& file) { return file == "/dev/nvidia1" || file == "/dev/nvidia2"; };
  EXPECT_TRUE(open_gpus(two, files, files_of_two).is_part);
  EXPECT_EQ(open_gpus(two, files, files_of_two).gpus.size(), 2u);
  // Not shown, and yet it can be opened: it is lost.
  EXPECT_FALSE(open_gpus(two, files, all).is_part);
}

TEST(OpenGpus, LackThoseThatWeSeeAndAnotherContainerDoesNot) {
  const auto seen = four();
  const OpenGpus open = open_gpus(seen, {}, [](const std::string& file) { return file != "/dev/nvidia3"; });
  EXPECT_TRUE(open.is_part);
  EXPECT_THAT(ids(open), ElementsAre("gpu:GPU-b1", "gpu:GPU-c2", "gpu:GPU-a3"));
}

TEST(DriverGpus, AreReadFromTheKernelsDriver) {
  const testing::FixtureTree tree;
  const auto write = [&](const std::string& bus, const std::string& lines) {
    tree.write("driver/nvidia/gpus/" + bus + "/information",
               "Model: \t\t NVIDIA H100 80GB HBM3\nIRQ:   \t\t 10\nGPU UUID: \t GPU-1\n" + lines);
  };
  write("0000:62:00.0", "Bus Location: \t 0000:62:00.0\nDevice Minor: \t 5\nGPU Excluded:\t No\n");
  write("0000:64:00.0", "Device Minor: \t 6\nGPU Excluded:\t Yes\n");
  write("0000:66:00.0", "Device Minor: \t 7\n");
  write("0000:68:00.0", "Device Minor: \t ?\n");
  EXPECT_THAT(driver_gpus(tree.root()), ::testing::UnorderedElementsAre("/dev/nvidia5", "/dev/nvidia7"));
  EXPECT_THAT(driver_gpus(tree.root() / "none"), IsEmpty());
}

TEST(DeviceCgroup, NamesTheGpusThatAProcessMayOpen) {
  const auto gpus = allowed_gpus("c 1:3 rwm\nc 195:2 rw\nc 195:0 rw\nc 195:255 rw\nc 195:254 rw\nb 8:0 r\n");
  EXPECT_EQ(gpus, (Names{"/dev/nvidia2", "/dev/nvidia0"}));
  EXPECT_EQ(allowed_gpus("c 1:3 rwm\n"), Names{});
  EXPECT_FALSE(allowed_gpus("a *:* rwm\n"));
  EXPECT_FALSE(allowed_gpus("c 1:3 rwm\nc 195:* rw\n"));
}

TEST(ReservedGpus, OfARunningProcessAreReadFromItsEnvironmentAndTheDriversList) {
  const testing::FixtureTree tree;
  const std::vector seen{gpu(0, 16, "GPU-d6")};  // no machine's file
  EXPECT_FALSE(gpus_reserved_by(::getpid(), seen, tree.root()));
  EXPECT_FALSE(gpus_reserved_by(::getpid(), {}, tree.root()));
  tree.write("driver/nvidia/gpus/0000:62:00.0/information", "Device Minor: \t 16\n");
  EXPECT_FALSE(gpus_reserved_by(::getpid(), seen, tree.root()));
  tree.write("driver/nvidia/gpus/0000:64:00.0/information", "Device Minor: \t 17\n");
  EXPECT_THAT(*gpus_reserved_by(::getpid(), seen, tree.root()), ElementsAre("GPU-d6"));
}

}  // namespace
}  // namespace everywatt

#include "job/software.h"

#include <gmock/gmock.h>
#include <unistd.h>

#include "tests/fixture_tree.h"

namespace everywatt {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;

constexpr std::string_view kLine = "7f0000000000-7f0000001000 r-xp 00000000 08:01 123                        ";

std::string mapping(std::initializer_list<std::string_view> files) {
  std::string maps = "7ffd0000-7ffe0000 rw-p 00000000 00:00 0                          [stack]\n";
  for (const std::string_view file : files) maps += std::string{kLine} + std::string{file} + "\n";
  return maps;
}

TEST(Software, ALibraryStatesItsVersionInItsName) {
  const auto facts =
      software_in(mapping({"/usr/lib/x86_64-linux-gnu/libcudnn.so.9.1.0", "/opt/nccl/libnccl.so.2.21.5",
                           "/usr/bin/python3.11", "/usr/lib/libc.so.6", "/opt/rocm/lib/libamdhip64.so.6.1"}),
                  "/nowhere");
  EXPECT_THAT(facts,
              ElementsAre(Pair("cudnn", "9.1.0"), Pair("hip", "6.1"), Pair("nccl", "2.21.5"), Pair("python", "3.11")));
}

TEST(Software, APackageStatesItWhereItIsInstalled) {
  const testing::FixtureTree root;
  for (const std::string name :
       {"torch-2.4.1+cu121.dist-info", "torchvision-0.19.1.dist-info", "numpy-1.26.4.dist-info",
        "nvidia_cudnn_cu12-9.1.0.70.dist-info", "torch_geometric-2.5.dist-info"})
    root.write("venv/lib/python3.11/site-packages/" + name + "/METADATA", "");
  const std::string folder = "/venv/lib/python3.11/site-packages/";
  const auto facts = software_in(
      mapping({folder + "torch/lib/libtorch_cpu.so", folder + "nvidia/cudnn/lib/libcudnn.so.9"}), root.root());
  EXPECT_THAT(facts, ElementsAre(Pair("cudnn", "9.1.0.70"), Pair("torch", "2.4.1+cu121")));  // numpy is not mapped
}

TEST(Software, AProcessStatesHowManyThereAreAndItsSeed) {
  using namespace std::string_view_literals;
  EXPECT_THAT(settings_in("PATH=/bin\0WORLD_SIZE=8\0SLURM_NTASKS=2\0PYTHONHASHSEED=0\0RANK=1\0"sv),
              ElementsAre(Pair("seed_pythonhashseed", "0"), Pair("world_size", "8")));
  EXPECT_THAT(settings_in("WORLD_SIZE=\0"sv), IsEmpty());
}

TEST(Software, OfThisProcessSomethingIsToldAndOfNoneNothing) {
  EXPECT_THAT(software_of(::getpid()), ::testing::Not(::testing::Contains(::testing::Key("torch"))));
  EXPECT_THAT(software_of(0x3fffff), IsEmpty());
}

}  // namespace
}  // namespace everywatt

#include "job/software.h"

#include <algorithm>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "base/file.h"
#include "base/text.h"
#include "job/process.h"

namespace everywatt {
namespace {

namespace fs = std::filesystem;
using Facts = std::map<std::string, std::string>;

// A library's file name up to its version, and what the fact is called.
constexpr std::pair<std::string_view, std::string_view> kLibraries[] = {
    {"libcudart.so.", "cuda_runtime"}, {"libcublas.so.", "cublas"}, {"libcudnn.so.", "cudnn"},
    {"libnccl.so.", "nccl"},           {"libamdhip64.so.", "hip"},  {"librccl.so.", "rccl"},
    {"libMIOpen.so.", "miopen"},       {"libmpi.so.", "mpi"},
};

// A Python package's folder and what its installation is called.
constexpr std::pair<std::string_view, std::string_view> kPackages[] = {
    {"torch", "torch"},
    {"tensorflow", "tensorflow"},
    {"jaxlib", "jaxlib"},
    {"numpy", "numpy"},
    {"scipy", "scipy"},
    {"sklearn", "scikit_learn"},
    {"triton", "triton"},
    {"vllm", "vllm"},
    {"xformers", "xformers"},
    {"onnxruntime", "onnxruntime"},
    {"bitsandbytes", "bitsandbytes"},
    {"nvidia/cudnn", "nvidia_cudnn"},
    {"nvidia/nccl", "nvidia_nccl"},
    {"nvidia/cuda_runtime", "nvidia_cuda_runtime"},
    {"nvidia/cublas", "nvidia_cublas"},
};

// A wheel of a library states more of its version than the library's name does.
constexpr std::pair<std::string_view, std::string_view> kWheels[] = {
    {"nvidia_cudnn", "cudnn"},
    {"nvidia_nccl", "nccl"},
    {"nvidia_cuda_runtime", "cuda_runtime"},
    {"nvidia_cublas", "cublas"},
};

std::set<std::string_view> mapped_files(std::string_view maps) {
  std::set<std::string_view> files;
  for (const std::string_view line : split(maps, '\n')) {
    const auto path = line.find('/');
    if (path != line.npos) files.insert(line.substr(path));
  }
  return files;
}

// "/usr/lib/python3/dist-packages/" of a file below it; empty: it is no package's.
std::string_view packages_folder(std::string_view file) {
  for (const std::string_view folder : {"/site-packages/", "/dist-packages/"}) {
    if (const auto at = file.find(folder); at != file.npos) return file.substr(0, at + folder.size());
  }
  return {};
}

std::string_view fact_of(std::string_view package) {
  const auto wheel = std::ranges::find(kWheels, package, &std::pair<std::string_view, std::string_view>::first);
  return wheel == std::end(kWheels) ? package : wheel->second;
}

// "torch-2.4.1+cu121.dist-info" of torch; wheels for a CUDA version have it in their name: nvidia_nccl_cu12-2.20.5.
std::optional<std::string> version_in(std::string_view name, std::string_view package) {
  if (!name.starts_with(package)) return std::nullopt;
  const auto dash = name.find('-');
  if (dash == name.npos) return std::nullopt;
  const std::string_view rest = name.substr(package.size(), dash - package.size());
  if (!rest.empty() && !rest.starts_with("_cu") && rest != "_gpu") return std::nullopt;
  for (const std::string_view ending : {".dist-info", ".egg-info"}) {
    if (name.ends_with(ending)) return std::string{name.substr(dash + 1, name.size() - dash - 1 - ending.size())};
  }
  return std::nullopt;
}

void add_libraries(const std::set<std::string_view>& files, Facts& facts) {
  for (const std::string_view file : files) {
    const std::string_view name = file.substr(file.rfind('/') + 1);
    for (const auto& [library, fact] : kLibraries) {
      if (name.starts_with(library)) facts.emplace(fact, name.substr(library.size()));
    }
    // The interpreter: "/usr/bin/python3.11", or its library.
    for (const std::string_view start : {"libpython", "python"}) {
      if (!name.starts_with(start)) continue;
      const std::string_view version = name.substr(start.size(), name.find(".so") - start.size());
      if (version.starts_with("3.")) facts.emplace("python", version);
    }
  }
}

// Packages that have mapped a library, by the folder that they are installed in.
std::map<std::string, std::set<std::string_view>> mapped_packages(const std::set<std::string_view>& files) {
  std::map<std::string, std::set<std::string_view>> packages;
  for (const std::string_view file : files) {
    const std::string_view folder = packages_folder(file);
    if (folder.empty()) continue;
    for (const auto& [place, package] : kPackages) {
      const std::string_view within = file.substr(folder.size());
      if (within.starts_with(place) && within.substr(place.size()).starts_with("/"))
        packages[std::string{folder}].insert(package);
    }
  }
  return packages;
}

void add_packages(const std::set<std::string_view>& files, const fs::path& root, Facts& facts) {
  for (const auto& [folder, packages] : mapped_packages(files)) {
    std::error_code error;
    const fs::path here = root / fs::path{folder}.relative_path();
    for (fs::directory_iterator entry{here, error}, end; !error && entry != end; entry.increment(error)) {
      const std::string name = entry->path().filename().string();
      for (const std::string_view package : packages) {
        if (auto version = version_in(name, package)) facts[std::string{fact_of(package)}] = *std::move(version);
      }
    }
  }
}

}  // namespace

std::map<std::string, std::string> software_in(std::string_view maps, const fs::path& root) {
  const auto files = mapped_files(maps);
  Facts facts;
  add_libraries(files, facts);
  add_packages(files, root, facts);
  return facts;
}

std::map<std::string, std::string> settings_in(std::string_view environment) {
  // Those of launchers that count all processes of a job: torchrun, Open MPI, PMI, Slurm's srun.
  constexpr std::pair<std::string_view, std::string_view> kSettings[] = {
      {"WORLD_SIZE=", "world_size"},
      {"OMPI_COMM_WORLD_SIZE=", "world_size"},
      {"PMI_SIZE=", "world_size"},
      {"SLURM_NTASKS=", "world_size"},
      {"PYTHONHASHSEED=", "seed_pythonhashseed"},
      {"PL_GLOBAL_SEED=", "seed_lightning"},
  };
  Facts facts;
  for (const auto& [variable, fact] : kSettings) {
    for (const std::string_view line : split(environment, '\0')) {
      if (line.starts_with(variable) && line.size() > variable.size())
        facts.emplace(fact, line.substr(variable.size()));
    }
  }
  return facts;
}

std::map<std::string, std::string> software_of(pid_t pid) {
  if (!read_process(pid)) return {};
  const fs::path folder = fs::path{"/proc"} / std::to_string(pid);
  Facts facts;
  if (const auto maps = read_text(folder / "maps")) facts = software_in(*maps, folder / "root");
  if (const auto environment = read_text(folder / "environ")) facts.merge(settings_in(*environment));
  return facts;
}

}  // namespace everywatt

// A small copy of a machine's files, thrown away at the end of the test.
#pragma once
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <string_view>
#include <utility>

namespace everywatt::testing {

class FixtureTree {
 public:
  FixtureTree() {
    std::string name = (std::filesystem::temp_directory_path() / "everywatt-tree-XXXXXX").string();
    root_ = ::mkdtemp(name.data());
  }
  FixtureTree(FixtureTree&& other) noexcept : root_{std::exchange(other.root_, {})} {}
  FixtureTree& operator=(FixtureTree&&) = delete;
  ~FixtureTree() {
    if (!root_.empty()) std::filesystem::remove_all(root_);
  }

  // Unpacks tests/machines/NAME.tree: lines "== path", each followed by that
  // file's text. Lines before the first path are remarks; of these "!mode 0000 path"
  // gives a file its mode, which says something to unprivileged readers only.
  static FixtureTree recorded(std::string_view name) {
    FixtureTree tree;
    std::ifstream in{std::filesystem::path{EVERYWATT_SOURCE_DIR} / "tests/machines" / (std::string{name} + ".tree")};
    std::string path;
    std::string text;
    std::map<std::string, unsigned> modes;
    for (std::string line; std::getline(in, line);) {
      if (path.empty() && line.starts_with("!mode ")) {
        modes[line.substr(line.rfind(' ') + 1)] = static_cast<unsigned>(std::stoul(line.substr(6), nullptr, 8));
        continue;
      }
      if (!line.starts_with("== ")) {
        text += line + '\n';
        continue;
      }
      if (!path.empty()) tree.write(path, text);
      path = line.substr(3);
      text.clear();
    }
    if (!path.empty()) tree.write(path, text);
    for (const auto& [file, mode] : modes) tree.set_mode(file, mode);
    return tree;
  }

  // Overwrites in place, as the kernel does: an open descriptor sees the new text.
  void write(const std::filesystem::path& path, std::string_view text) const {
    std::filesystem::create_directories((root_ / path).parent_path());
    std::ofstream{root_ / path} << text;
  }
  void set_mode(const std::filesystem::path& path, unsigned mode) const {
    std::filesystem::permissions(root_ / path, static_cast<std::filesystem::perms>(mode));
  }
  void remove(const std::filesystem::path& path) const { std::filesystem::remove_all(root_ / path); }
  const std::filesystem::path& root() const { return root_; }

 private:
  std::filesystem::path root_;
};

}  // namespace everywatt::testing

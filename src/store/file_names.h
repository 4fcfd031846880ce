// What the files of a ledger are called.
#pragma once
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace everywatt {

// A name that a file can have, one for each text: letters, digits, '.', '_'
// and '-' stand for themselves, any other byte as %xx; what would be too long
// ends in a hash of the whole.
std::string file_name_of(std::string_view text);

// The *.db in a folder, in the order of their names; none where there is no such folder.
std::vector<std::filesystem::path> databases_in(const std::filesystem::path& folder);

}  // namespace everywatt

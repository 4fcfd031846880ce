// Where a run listens for its job's marks: a socket in the folder that lasts as long as the user's session.
#pragma once
#include <filesystem>
#include <string>

namespace everywatt {

// In $XDG_RUNTIME_DIR, else in the temporary folder: everywatt-RUN.sock.
std::filesystem::path mark_socket_of(const std::string& run);

// Removes this user's sockets there on which nobody listens any more: their supervisors were killed.
void remove_deserted_mark_sockets();

}  // namespace everywatt

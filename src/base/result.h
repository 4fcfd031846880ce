// Errors that a caller can act on are values; bugs are assertions.
//
// A function that can fail in a sound program returns Result<T>. The code is
// what a caller decides on; the text is one line for a person: what was tried,
// on what, why it failed and what to do.
#pragma once
#include <expected>
#include <string>
#include <utility>

namespace everywatt {

enum class Errc {
  absent,     // not on this machine, no such run: quiet where that is normal
  denied,     // there, but not for us; the text names the remedy
  malformed,  // there, but not what it should be
  misuse,     // the caller asked for something that cannot be meant
  io,         // the system refused: full disk, broken file, lost device
};

struct Error {
  Errc code;
  std::string what;  // "read /sys/…/energy_uj: Permission denied"
};

// std::expected is not [[nodiscard]] in libstdc++ 12; an ignored Result is a warning.
template <class T>
class [[nodiscard]] Result : public std::expected<T, Error> {
  using std::expected<T, Error>::expected;
};

inline std::unexpected<Error> fail(Errc code, std::string what) {
  return std::unexpected{Error{code, std::move(what)}};
}

// "open /proc/stat: Permission denied", with the code that fits errno.
std::unexpected<Error> fail_errno(int error, const std::string& tried);

}  // namespace everywatt

// TRY(auto text, read_text(path));  declares `text`, or returns the error.
// CHECK(store.commit());            returns the error, if any.
#define TRY_CAT2(a, b) a##b
#define TRY_CAT(a, b) TRY_CAT2(a, b)
#define TRY(decl, expr) TRY_AS(TRY_CAT(try_result_, __LINE__), decl, expr)
#define TRY_AS(tmp, decl, expr)                             \
  auto tmp = (expr);                                        \
  if (!tmp) return std::unexpected{std::move(tmp).error()}; \
  decl = *std::move(tmp)
#define CHECK(expr)                                                                                            \
  do {                                                                                                         \
    if (auto check_result_ = (expr); !check_result_) return std::unexpected{std::move(check_result_).error()}; \
  } while (false)

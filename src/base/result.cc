#include "base/result.h"

#include <cerrno>
#include <system_error>

namespace everywatt {

std::unexpected<Error> fail_errno(int error, const std::string& tried) {
  const Errc code = error == ENOENT || error == ENODEV || error == ENXIO ? Errc::absent
                    : error == EACCES || error == EPERM                  ? Errc::denied
                                                                         : Errc::io;
  return fail(code, tried + ": " + std::generic_category().message(error));
}

}  // namespace everywatt

#include "report/style.h"

#include <unistd.h>

#include <cstdlib>

namespace everywatt {

Style Style::for_stream(int fd) {
  const char* no_color = std::getenv("NO_COLOR");
  const char* term = std::getenv("TERM");
  const bool dumb = term && std::string_view{term} == "dumb";
  return Style{::isatty(fd) && !(no_color && *no_color) && !dumb ? Paint::terminal : Paint::plain};
}

}  // namespace everywatt

#include <cstddef>
#include <cstdint>
#include <string>

#include "cli/config.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text{reinterpret_cast<const char*>(data), size};
  if (const auto config = everywatt::Config::parse(text, "everywatt.toml")) {
    for (const everywatt::Setting& setting : config->settings()) (void)config->number(setting.key);
  }
  return 0;
}

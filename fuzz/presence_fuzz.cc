#include <cstddef>
#include <cstdint>
#include <string_view>

#include "meter/floor_board.h"
#include "meter/presence.h"

// What others wrote into the shared folder: any bytes at all.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text{reinterpret_cast<const char*>(data), size};
  if (const auto tenant = everywatt::parse_tenant(text)) {
    if (!everywatt::parse_tenant(everywatt::format_tenant(*tenant))) __builtin_trap();
  }
  auto board = everywatt::FloorBoard::parse(text);
  for (int i = 0; i < 8; ++i) {
    (void)board.propose("package:0", (20.0 + i) * everywatt::watt, (1 + i) * 1000 * everywatt::kSecond,
                        i % 2 ? everywatt::Company::alone : everywatt::Company::shared);
  }
  (void)board.agreed("package:0", 2000 * everywatt::kSecond);
  if (everywatt::FloorBoard::parse(board.format()).format() != board.format()) __builtin_trap();
  return 0;
}

#include <cstdint>
#include <cstdlib>
#include <string>

#include "tracker/delivery.h"

// What is read is written the same, and read again.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto delivery = everywatt::parse_delivery({reinterpret_cast<const char*>(data), size});
  if (!delivery) return 0;
  const auto again = everywatt::parse_delivery(everywatt::delivery_json(*delivery));
  if (!again || *again != *delivery) std::abort();
  return 0;
}

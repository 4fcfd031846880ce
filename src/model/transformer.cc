#include "model/transformer.h"

namespace everywatt {

std::string_view to_string(ModelKind kind) {
  switch (kind) {
    case ModelKind::decoder:
      return "decoder";
    case ModelKind::encoder:
      return "encoder";
    case ModelKind::vision:
      return "vision";
  }
  return "";
}

}  // namespace everywatt

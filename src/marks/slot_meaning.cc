#include "marks/slot_meaning.h"

#include <bit>
#include <cmath>
#include <cstring>
#include <utility>

namespace everywatt::marks {
namespace {

Result<SlotMeaning> mark_of(decltype(Mark::what) what) { return SlotMeaning{.what = std::move(what)}; }

std::unexpected<Error> damaged(const std::string& what) { return fail(Errc::malformed, what); }

std::uint64_t span_of(const SlotPlace& place) { return span_at(place.generation, place.position); }

Result<SlotMeaning> metric_of_step(const SlotPlace& place, std::string name, double value) {
  const auto bytes = copy_text_after(place.ring, place.position, sizeof(std::uint64_t));
  if (!bytes) return SlotMeaning{};
  std::uint64_t step = 0;
  std::memcpy(&step, bytes->data(), sizeof step);
  return SlotMeaning{.what = MetricMark{.name = std::move(name), .value = value, .step = step}, .slots = 2};
}

Result<SlotMeaning> tag(const SlotPlace& place, std::string key, std::uint64_t bytes) {
  if (bytes > kMostTagBytes) return damaged("a tag of " + std::to_string(bytes) + " bytes");
  auto value = copy_text_after(place.ring, place.position, bytes);
  if (!value) return SlotMeaning{};
  return SlotMeaning{.what = TagMark{.key = std::move(key), .value = *std::move(value)}, .slots = 1 + slots_for(bytes)};
}

Result<SlotMeaning> count(std::uint8_t unit, std::uint64_t amount) {
  if (unit > static_cast<std::uint8_t>(CountUnit::bytes)) return damaged("a count of unit " + std::to_string(unit));
  return mark_of(CountMark{.unit = static_cast<CountUnit>(unit), .amount = amount});
}

Result<SlotMeaning> flops(FlopsKind kind, std::uint8_t precision, double amount) {
  if (precision > static_cast<std::uint8_t>(Precision::fp4)) {
    return damaged("operations of precision " + std::to_string(precision));
  }
  if (!std::isfinite(amount) || amount < 0) return damaged("a number of operations that is none");
  return mark_of(FlopsMark{.precision = static_cast<Precision>(precision), .amount = amount * flop, .kind = kind});
}

}  // namespace

Result<SlotMeaning> meaning_of(const SlotCopy& slot, const SlotPlace& place, RingNames& names) {
  const auto number = static_cast<std::uint32_t>(slot.words[1] >> 32);
  const std::uint64_t value = slot.words[2];
  switch (slot.stamp.kind) {
    case Kind::phase_begin: {
      TRY(std::string name, names.text_of(place.ring, number));
      return mark_of(PhaseBegin{.span = span_of(place), .name = std::move(name)});
    }
    case Kind::phase_end:
      return mark_of(PhaseEnd{.span = value});
    case Kind::wait_begin: {
      TRY(std::string name, names.text_of(place.ring, number));
      return mark_of(WaitBegin{.span = span_of(place), .name = std::move(name)});
    }
    case Kind::wait_end:
      return mark_of(WaitEnd{.span = value});
    case Kind::step:
      return mark_of(
          StepMark{.number = std::bit_cast<std::int64_t>(value) == kNoNumber ? std::nullopt : std::optional{value}});
    case Kind::metric: {
      TRY(std::string name, names.text_of(place.ring, number));
      return mark_of(MetricMark{.name = std::move(name), .value = std::bit_cast<double>(value), .step = {}});
    }
    case Kind::metric_of_step: {
      TRY(std::string name, names.text_of(place.ring, number));
      return metric_of_step(place, std::move(name), std::bit_cast<double>(value));
    }
    case Kind::tag: {
      TRY(std::string key, names.text_of(place.ring, number));
      return tag(place, std::move(key), value);
    }
    case Kind::count:
      return count(slot.stamp.detail, value);
    case Kind::flops:
      return flops(FlopsKind::model, slot.stamp.detail, std::bit_cast<double>(value));
    case Kind::recomputed_flops:
      return flops(FlopsKind::recomputed, slot.stamp.detail, std::bit_cast<double>(value));
    case Kind::more:
      return SlotMeaning{};
    case Kind::none:
      break;
  }
  return damaged("a mark of kind " + std::to_string(std::to_underlying(slot.stamp.kind)));
}

}  // namespace everywatt::marks

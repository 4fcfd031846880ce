#include "store/fact_text.h"

#include <charconv>
#include <cmath>
#include <limits>
#include <optional>

namespace everywatt {
namespace {

void put_string(std::string& out, std::string_view text) {
  constexpr std::string_view kHex = "0123456789abcdef";
  out += '"';
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (byte < 0x20) {
      out += "\\u00";
      out += kHex[byte >> 4];
      out += kHex[byte & 15];
    } else {
      out += c;
    }
  }
  out += '"';
}

template <class Number>
void put_number(std::string& out, Number number) {
  char digits[32];
  const auto end = std::to_chars(digits, digits + sizeof digits, number).ptr;
  const std::string_view text{digits, end};
  if constexpr (std::is_floating_point_v<Number>) {
    if (!std::isfinite(number)) return put_string(out, text);
  }
  out += text;
}

template <class Items, class Put>
std::string joined(const Items& items, char open, char close, Put put) {
  std::string out{open};
  for (const auto& item : items) {
    if (out.size() > 1) out += ',';
    put(out, item);
  }
  out += close;
  return out;
}

// A cursor over the text; every function moves past what it names, or returns nothing.
class Cursor {
 public:
  explicit Cursor(std::string_view text) : rest_{text} {}
  bool skip(char c) {
    if (rest_.empty() || rest_.front() != c) return false;
    rest_.remove_prefix(1);
    return true;
  }
  [[nodiscard]] bool at_end() const { return rest_.empty(); }
  [[nodiscard]] bool at(char c) const { return !rest_.empty() && rest_.front() == c; }

  std::optional<std::string> string() {
    if (!skip('"')) return std::nullopt;
    std::string text;
    while (!rest_.empty()) {
      const std::size_t plain = rest_.find_first_of("\"\\");
      if (plain == std::string_view::npos) return std::nullopt;
      text.append(rest_.substr(0, plain));
      const char stop = rest_[plain];
      rest_.remove_prefix(plain + 1);
      if (stop == '"') return text;
      const auto character = escaped();
      if (!character) return std::nullopt;
      text += *character;
    }
    return std::nullopt;
  }

  template <class Number>
  std::optional<Number> number() {
    Number value{};
    const auto [end, error] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), value);
    if (error != std::errc{}) return std::nullopt;
    rest_.remove_prefix(static_cast<std::size_t>(end - rest_.data()));
    return value;
  }

  // Numbers that JSON lacks are strings.
  std::optional<double> real() {
    if (!at('"')) return number<double>();
    const auto name = string();
    if (name == "inf") return std::numeric_limits<double>::infinity();
    if (name == "-inf") return -std::numeric_limits<double>::infinity();
    if (name == "nan" || name == "-nan") return std::numeric_limits<double>::quiet_NaN();
    return std::nullopt;
  }

 private:
  std::optional<char> escaped() {
    if (skip('"')) return '"';
    if (skip('\\')) return '\\';
    if (!rest_.starts_with("u00") || rest_.size() < 5) return std::nullopt;
    unsigned value = 0;
    const auto [end, error] = std::from_chars(rest_.data() + 3, rest_.data() + 5, value, 16);
    if (error != std::errc{} || end != rest_.data() + 5 || value >= 0x20) return std::nullopt;
    rest_.remove_prefix(5);
    return static_cast<char>(value);
  }

  std::string_view rest_;
};

// `item` reads one and says whether it could.
template <class Item>
Result<void> read_joined(std::string_view text, char open, char close, Item item) {
  Cursor cursor{text};
  bool good = cursor.skip(open);
  if (good && !cursor.skip(close)) {
    do {
      good = item(cursor);
    } while (good && cursor.skip(','));
    good = good && cursor.skip(close);
  }
  if (good && cursor.at_end()) return {};
  return fail(Errc::malformed, "not a list of facts: '" + std::string{text.substr(0, 60)} + "'");
}

std::optional<NetworkBytes> read_network(Cursor& cursor) {
  NetworkBytes bytes;
  if (!cursor.skip('[')) return std::nullopt;
  const auto kind = cursor.string();
  if (!kind || !cursor.skip(',')) return std::nullopt;
  const auto received = cursor.number<std::uint64_t>();
  if (!received || !cursor.skip(',')) return std::nullopt;
  const auto sent = cursor.number<std::uint64_t>();
  if (!sent || !cursor.skip(',')) return std::nullopt;
  const auto lower_bound = cursor.number<std::uint64_t>();
  if (!lower_bound || *lower_bound > 1 || !cursor.skip(']')) return std::nullopt;
  return NetworkBytes{.kind = *kind, .received = *received, .sent = *sent, .lower_bound = *lower_bound == 1};
}

}  // namespace

std::string fact_text(const TextMap& facts) {
  return joined(facts, '{', '}', [](std::string& out, const auto& fact) {
    put_string(out, fact.first);
    out += ':';
    put_string(out, fact.second);
  });
}

std::string fact_text(const NumberMap& facts) {
  return joined(facts, '{', '}', [](std::string& out, const auto& fact) {
    put_string(out, fact.first);
    out += ':';
    put_number(out, fact.second);
  });
}

std::string fact_text(const TextList& facts) { return joined(facts, '[', ']', put_string); }

std::string fact_text(const std::vector<unsigned>& numbers) {
  return joined(numbers, '[', ']', [](std::string& out, unsigned number) { put_number(out, number); });
}

std::string fact_text(const std::vector<NetworkBytes>& network) {
  return joined(network, '[', ']', [](std::string& out, const NetworkBytes& bytes) {
    out += '[';
    put_string(out, bytes.kind);
    for (const std::uint64_t number : {bytes.received, bytes.sent, std::uint64_t{bytes.lower_bound}}) {
      out += ',';
      put_number(out, number);
    }
    out += ']';
  });
}

Result<void> read_fact_text(std::string_view text, TextMap& facts) {
  return read_joined(text, '{', '}', [&](Cursor& cursor) {
    auto key = cursor.string();
    if (!key || !cursor.skip(':')) return false;
    auto value = cursor.string();
    if (!value) return false;
    facts.insert_or_assign(facts.end(), *std::move(key), *std::move(value));
    return true;
  });
}

Result<void> read_fact_text(std::string_view text, NumberMap& facts) {
  return read_joined(text, '{', '}', [&](Cursor& cursor) {
    auto key = cursor.string();
    if (!key || !cursor.skip(':')) return false;
    const auto value = cursor.real();
    if (value) facts.insert_or_assign(facts.end(), *std::move(key), *value);
    return value.has_value();
  });
}

Result<void> read_fact_text(std::string_view text, TextList& facts) {
  return read_joined(text, '[', ']', [&](Cursor& cursor) {
    auto fact = cursor.string();
    if (!fact) return false;
    facts.push_back(*std::move(fact));
    return true;
  });
}

Result<void> read_fact_text(std::string_view text, std::vector<unsigned>& numbers) {
  return read_joined(text, '[', ']', [&](Cursor& cursor) {
    const auto number = cursor.number<unsigned>();
    if (number) numbers.push_back(*number);
    return number.has_value();
  });
}

Result<void> read_fact_text(std::string_view text, std::vector<NetworkBytes>& network) {
  return read_joined(text, '[', ']', [&](Cursor& cursor) {
    auto bytes = read_network(cursor);
    if (!bytes) return false;
    network.push_back(*std::move(bytes));
    return true;
  });
}

}  // namespace everywatt

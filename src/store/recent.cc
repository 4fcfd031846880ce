#include "store/recent.h"

#include <algorithm>

#include "store/bytes.h"

namespace everywatt {
namespace {

constexpr std::uint64_t kLeastBytesOfFigures = 7, kLeastBytesOfEntry = 5;

// As many as a head says, which cannot be more than there are bytes for.
std::optional<std::uint64_t> read_count(ByteReader& reader, std::uint64_t least_bytes_each) {
  const auto count = reader.varint();
  return count && *count <= reader.rest().size() / least_bytes_each ? count : std::nullopt;
}

std::optional<FiguresRow> read_figures(ByteReader& reader) {
  FiguresRow row;
  for (std::int64_t* const field : {&row.device, &row.measured, &row.uncertainty_random, &row.uncertainty_systematic,
                                    &row.observed, &row.busy_time, &row.reserved_time}) {
    const auto value = reader.signed_varint();
    if (!value) return std::nullopt;
    *field = *value;
  }
  return row;
}

std::optional<EntryRow> read_entry(ByteReader& reader) {
  EntryRow row;
  for (std::int64_t* const field : {&row.minute, &row.device, &row.phase, &row.energy}) {
    const auto value = reader.signed_varint();
    if (!value) return std::nullopt;
    *field = *value;
  }
  const auto account = reader.byte();
  if (!account || *account > static_cast<int>(Account::unattributed)) return std::nullopt;
  row.account = static_cast<Account>(*account);
  return row;
}

}  // namespace

void add_entry(std::vector<EntryRow>& rows, const EntryRow& entry) {
  const auto at = std::ranges::lower_bound(rows, entry.key(), {}, &EntryRow::key);
  if (at != rows.end() && at->key() == entry.key()) {
    at->energy += entry.energy;
  } else {
    rows.insert(at, entry);
  }
}

void Recent::put(const FiguresRow& row) {
  const auto at = std::ranges::lower_bound(figures, row.device, {}, &FiguresRow::device);
  if (at != figures.end() && at->device == row.device) {
    *at = row;
  } else {
    figures.insert(at, row);
  }
}

std::string pack(const Recent& recent) {
  std::string bytes;
  put_varint(bytes, recent.commits);
  put_varint(bytes, std::uint64_t{recent.figures.size()});
  for (const FiguresRow& row : recent.figures) {
    for (const std::int64_t value : {row.device, row.measured, row.uncertainty_random, row.uncertainty_systematic,
                                     row.observed, row.busy_time, row.reserved_time})
      put_signed(bytes, value);
  }
  put_varint(bytes, std::uint64_t{recent.entries.size()});
  for (const EntryRow& row : recent.entries) {
    for (const std::int64_t value : {row.minute, row.device, row.phase, row.energy}) put_signed(bytes, value);
    bytes += static_cast<char>(row.account);
  }
  return bytes;
}

std::optional<Recent> unpack_recent(std::string_view bytes) {
  ByteReader reader{bytes};
  Recent recent;
  const auto commits = reader.varint();
  if (!commits || *commits == 0) return std::nullopt;
  recent.commits = *commits;
  const auto figures = read_count(reader, kLeastBytesOfFigures);
  for (std::uint64_t i = 0; figures && i < *figures; ++i) {
    const auto row = read_figures(reader);
    if (!row || (i > 0 && row->device <= recent.figures.back().device)) return std::nullopt;
    recent.figures.push_back(*row);
  }
  const auto entries = figures ? read_count(reader, kLeastBytesOfEntry) : std::nullopt;
  for (std::uint64_t i = 0; entries && i < *entries; ++i) {
    const auto row = read_entry(reader);
    if (!row || (i > 0 && row->key() <= recent.entries.back().key())) return std::nullopt;
    recent.entries.push_back(*row);
  }
  return entries && reader.at_end() ? std::optional{std::move(recent)} : std::nullopt;
}

Result<Recent> read_recent(Connection& db, std::int64_t run) {
  TRY(Query query, db.query("SELECT data FROM recent WHERE run = ?", run));
  TRY(const bool row, query.next());
  if (!row) return Recent{};
  if (auto recent = unpack_recent(query.view(0))) return *std::move(recent);
  return fail(Errc::malformed, db.path().string() + ": the last seconds of a run are damaged (table recent)");
}

Result<Recent*> Recents::of(Connection& db, std::int64_t run) {
  if (const auto known = runs_.find(run); known != runs_.end()) return &known->second;
  TRY(Recent recent, read_recent(db, run));
  return &runs_.emplace(run, std::move(recent)).first->second;
}

}  // namespace everywatt

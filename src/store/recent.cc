#include "store/recent.h"

#include <algorithm>

#include "store/bytes.h"
#include "store/fact_text.h"

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

void put_text(std::string& bytes, std::string_view text) {
  put_varint(bytes, std::uint64_t{text.size()});
  bytes += text;
}

std::optional<std::string_view> read_text(ByteReader& reader) {
  const auto size = reader.varint();
  return size ? reader.bytes(*size) : std::nullopt;
}

// A byte says whether there is one.
void put_maybe(std::string& bytes, std::optional<std::uint64_t> value) {
  bytes += static_cast<char>(value.has_value());
  if (value) put_varint(bytes, *value);
}

bool read_maybe(ByteReader& reader, std::optional<std::uint64_t>& value) {
  const auto is_there = reader.byte();
  if (!is_there || *is_there > 1) return false;
  if (*is_there == 1) value = reader.varint();
  return *is_there == 0 || value.has_value();
}

void put_facts(std::string& bytes, const MovingFacts& facts) {
  const auto& [ended, usage, overhead] = facts;
  bytes += static_cast<char>(ended.has_value());
  const Instant end = ended.value_or(Instant{});
  for (const std::int64_t value : {end.steady, end.wall, usage.cpu_time, overhead.cpu_time}) put_signed(bytes, value);
  put_varint(bytes, overhead.peak_rss_bytes);
  put_varint(bytes, overhead.marks_dropped);
  for (const auto& value : {usage.peak_memory_bytes, usage.disk_read_bytes, usage.disk_written_bytes})
    put_maybe(bytes, value);
  put_text(bytes, fact_text(usage.network));
  put_text(bytes, usage.method);
}

std::optional<MovingFacts> read_facts(ByteReader& reader) {
  MovingFacts facts;
  const auto has_ended = reader.byte();
  if (!has_ended || *has_ended > 1) return std::nullopt;
  Instant end;
  for (std::int64_t* const field : {&end.steady, &end.wall, &facts.usage.cpu_time, &facts.overhead.cpu_time}) {
    const auto value = reader.signed_varint();
    if (!value) return std::nullopt;
    *field = *value;
  }
  if (*has_ended == 1) facts.ended = end;
  for (std::uint64_t* const field : {&facts.overhead.peak_rss_bytes, &facts.overhead.marks_dropped}) {
    const auto value = reader.varint();
    if (!value) return std::nullopt;
    *field = *value;
  }
  for (auto* const field :
       {&facts.usage.peak_memory_bytes, &facts.usage.disk_read_bytes, &facts.usage.disk_written_bytes}) {
    if (!read_maybe(reader, *field)) return std::nullopt;
  }
  const auto network = read_text(reader), method = read_text(reader);
  if (!network || !method || !read_fact_text(*network, facts.usage.network)) return std::nullopt;
  facts.usage.method = *method;
  return facts;
}

// What version 6 did not have.
bool read_run_part(ByteReader& reader, Recent& recent) {
  const auto charged = reader.signed_varint(), booked = reader.signed_varint();
  const auto has_facts = reader.byte();
  if (!charged || !booked || !has_facts || *has_facts > 1) return false;
  recent.charged = *charged;
  recent.booked = *booked;
  if (*has_facts == 1) recent.facts = read_facts(reader);
  return *has_facts == 0 || recent.facts.has_value();
}

}  // namespace

MovingFacts moving_facts_of(const Run& run) {
  return {.ended = run.ended, .usage = run.usage, .overhead = run.overhead};
}

void put_into(const MovingFacts& facts, Run& run) {
  run.ended = facts.ended;
  run.usage = facts.usage;
  run.overhead = facts.overhead;
}

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
  put_signed(bytes, recent.charged);
  put_signed(bytes, recent.booked);
  bytes += static_cast<char>(recent.facts.has_value());
  if (recent.facts) put_facts(bytes, *recent.facts);
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
  if (!entries) return std::nullopt;
  const bool is_of_version_6 = reader.at_end();
  if (!is_of_version_6 && !read_run_part(reader, recent)) return std::nullopt;
  return reader.at_end() ? std::optional{std::move(recent)} : std::nullopt;
}

Result<Recent> read_recent(Connection& db, std::int64_t run) {
  TRY(Query query, db.query("SELECT data FROM recent WHERE run = ?", run));
  TRY(const bool row, query.next());
  if (!row) return Recent{};
  if (auto recent = unpack_recent(query.view(0))) return *std::move(recent);
  return fail(Errc::malformed, db.path().string() + ": the last seconds of a run are damaged (table recent)");
}

Recent* Recents::ours(std::int64_t run) {
  const auto found = runs_.find(run);
  return found == runs_.end() ? nullptr : &found->second;
}

Result<Recent> Recents::take(Connection& db, std::int64_t run) {
  auto ours = runs_.extract(run);
  return ours ? Result<Recent>{std::move(ours.mapped())} : read_recent(db, run);
}

}  // namespace everywatt

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "report/bill_json.h"
#include "report/bill_text.h"
#include "report/format.h"
#include "report/paragraph.h"

namespace everywatt {
namespace {

Bill small_bill() {
  RunRecord record{.run = {.id = "4v7c0y2m1k", .name = "digits", .command = {"python", "train.py"}}};
  record.run.status = RunStatus::finished;
  record.run.exit_status = 0;
  record.run.started = {.steady = 0, .wall = 1'700'000'000 * kSecond};
  record.run.ended = {{.steady = 10 * kSecond, .wall = 1'700'000'010 * kSecond}};
  record.devices = {{.device = {.id = "package:0", .kind = DeviceKind::package},
                     .method = Method::counter,
                     .sensor = "rapl-powercap",
                     .measured = 412'000'000,
                     .uncertainty_systematic = 12'000'000,
                     .observed = 10 * kSecond},
                    {.device = {.id = "dram:0", .kind = DeviceKind::dram}, .reason = "counter is stuck"}};
  record.entries = {{.device = "package:0", .account = Account::busy, .energy = 380'000'000},
                    {.device = "package:0", .account = Account::idle, .energy = 32'000'000}};
  return bill_of(std::move(record));
}

std::size_t widest_line(const std::string& text) {
  std::size_t widest = 0;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    widest = std::max(widest, columns(std::string_view{text}.substr(at, end - at)));
    at = end + 1;
  }
  return widest;
}

TEST(Format, EnergyHasThreeDigitsAndTheUnitThatSuits) {
  EXPECT_EQ(show_energy(0), "0 J");
  EXPECT_EQ(show_energy(412'000'000), "412 J");
  EXPECT_EQ(show_energy(1'234'567), "1.23 J");
  EXPECT_EQ(show_energy(37'854'305'390'000), "37.9 MJ");
  EXPECT_EQ(show_energy(999'999'999), "1.00 kJ");
  EXPECT_EQ(show_kilowatt_hours(37'854'305'390'000), "10.5 kWh");
}

TEST(Format, DurationsReadAsPeopleSayThem) {
  EXPECT_EQ(show_duration(830 * kMillisecond), "830 ms");
  EXPECT_EQ(show_duration(125 * kSecond), "2 min 05 s");
  EXPECT_EQ(show_duration(12'000 * kSecond), "3 h 20 min");
}

TEST(Format, NamesCannotMoveTheCursor) {
  EXPECT_EQ(fit("a\033[2Jb", 20), "a?[2Jb");
  EXPECT_EQ(fit("größer als der Platz", 8), "größer …");
}

TEST(BillText, FitsEightyColumnsWhateverTheNames) {
  Bill bill = small_bill();
  EXPECT_LE(widest_line(bill_text(bill, Style{Paint::plain})), 80u);
  bill.run.name = std::string(200, 'n');
  bill.run.ended_by = "signal 9 (SIGKILL)";
  bill.devices[0].record.device.id = std::string(100, 'd');
  bill.run.notices = {std::string(40, 'x') + " " + std::string(30, 'y') + " " + std::string(30, 'z')};
  EXPECT_LE(widest_line(bill_text(bill, Style{Paint::plain})), 80u);
}

TEST(BillText, SaysWhatIsMissingAndWhy) {
  const std::string text = bill_text(small_bill(), Style{Paint::plain});
  EXPECT_NE(text.find("412 J ± 24.0 J"), std::string::npos) << text;
  EXPECT_NE(text.find("dram:0: counter is stuck"), std::string::npos) << text;
  EXPECT_EQ(text.find('\033'), std::string::npos);
}

TEST(BillJson, FollowsTheContract) {
  const auto json = nlohmann::json::parse(bill_json(small_bill()));
  EXPECT_EQ(json["schema"], "everywatt.run/1");
  EXPECT_EQ(json["energy"]["measured_joules"], 412.0);
  EXPECT_EQ(json["energy"]["devices"][0]["method"], "counter");
  EXPECT_TRUE(json["energy"]["devices"][1]["measured_joules"].is_null());
  EXPECT_EQ(json["energy"]["devices"][1]["reason"], "counter is stuck");
  EXPECT_TRUE(json["carbon"].is_null());
  EXPECT_EQ(json["duration_seconds"], 10.0);
  for (const char* key :
       {"id",          "name",     "project", "model", "model_version",    "status", "parent",  "command",
        "exit_status", "ended_by", "started", "ended", "duration_seconds", "tags",   "metrics", "environment",
        "energy",      "facility", "carbon",  "cost",  "compute",          "phases", "network", "gaps",
        "overhead"}) {
    EXPECT_TRUE(json.contains(key)) << key;
  }
}

TEST(BillJson, BytesThatAreNoTextDoNotBreakIt) {
  Bill bill = small_bill();
  bill.run.command = {"python", "\xff\xfe"};
  EXPECT_TRUE(nlohmann::json::accept(bill_json(bill)));
}

TEST(Paragraph, BreaksAtBlanksAndIndentsAlike) {
  EXPECT_EQ(paragraph(10, "note", "short"), "  note    short\n");
  EXPECT_EQ(paragraph(10, "a long label", "x"), "  a long label\n          x\n");
}

}  // namespace
}  // namespace everywatt

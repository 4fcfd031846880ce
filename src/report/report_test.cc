#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "report/bill_json.h"
#include "report/bill_text.h"
#include "report/diagnosis.h"
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

// A GPU that decodes from memory, then waits for data.
Bill starved_bill() {
  Bill bill = small_bill();
  DeviceBill gpu{.record = {.device = {.id = "gpu:GPU-1", .kind = DeviceKind::gpu, .model = "NVIDIA H100 80GB HBM3"},
                            .method = Method::counter,
                            .measured = 1000,
                            .busy_time = kSecond},
                 .energy = {.measured = 1000, .total = 1000}};
  gpu.record.quantities = {{.name = "memory_bandwidth_utilisation", .mean = 0.5}};
  bill.devices.push_back(gpu);
  bill.phases = {{.path = "", .count = 1},
                 {.path = "decode", .count = 1, .duration = 5 * kSecond},
                 {.path = "train", .count = 1, .duration = 5 * kSecond},
                 {.path = "train/wait:data", .count = 9, .duration = 1900 * kMillisecond}};
  const auto add = [&](const char* device, const char* path, const char* name, double sum) {
    bill.phase_quantities.push_back(
        {.path = path, .device = device, .name = name, .sum = sum, .observed = 5 * kSecond, .resolved = 5 * kSecond});
  };
  for (const char* path : {"decode", "train"}) {
    add("gpu:GPU-1", path, kGpuWork, 4.5);
    add("gpu:GPU-1", path, "memory_bandwidth_utilisation", 0.82 * 5);
    add("gpu:GPU-1", path, "tensor_utilisation", 0.11 * 5);
  }
  add("", "train", kInputWorkers, 4 * 5.0);
  add("", "train", kInputCpuTime, 0.95 * 4 * 5);
  return bill;
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

QuantityRecord held_back(std::string cause, double seconds) {
  return {.name = "held_back_" + std::move(cause), .unit = "seconds", .total = seconds, .observed = 10 * kSecond};
}

Bill gpu_bill(std::vector<QuantityRecord> quantities) {
  Bill bill = small_bill();
  bill.devices[0].record.device.id = "gpu:GPU-1ab00000-0000-4000-8000-000000000000";
  bill.devices[0].record.quantities = std::move(quantities);
  return bill;
}

TEST(BillText, SaysInOneLineWhatHeldAGpuBack) {
  const auto lines = [](const Bill& bill) {
    const std::string text = bill_text(bill, Style{Paint::plain});
    EXPECT_LE(widest_line(text), 80u) << text;
    const std::size_t at = text.find("  clocks ");
    return at == text.npos ? std::string{} : text.substr(at, text.find("\n  ", at) - at);
  };
  const std::string capped = lines(gpu_bill({held_back("power_cap", 1.2), held_back("thermal", 0.05)}));
  EXPECT_TRUE(capped.ends_with("held back 12 % of the time by its power cap")) << capped;
  const std::string hot = lines(gpu_bill({held_back("thermal", 0.2), held_back("software_thermal", 0.31)}));
  EXPECT_TRUE(hot.ends_with("held back 3.1 % of the time by heat")) << hot;
  const std::string both = lines(gpu_bill({held_back("power_cap", 10), held_back("hardware_thermal", 10)}));
  EXPECT_TRUE(both.ends_with("held back 100 % by its power cap, 100 % by heat")) << both;
  EXPECT_EQ(lines(gpu_bill({held_back("power_cap", 0.09), held_back("sync_boost", 9)})), "");
  EXPECT_EQ(lines(gpu_bill({{.name = "held_back_power_cap", .unit = "seconds", .reason = "not supported"}})), "");
  Bill others = gpu_bill({held_back("power_cap", 5)});
  others.devices[0].energy.total = 0;
  EXPECT_EQ(lines(others), "");
}

TEST(BillJson, TellsHowADeviceFaredAndWhatIsMissingIsNull) {
  const Bill bill = gpu_bill(
      {{.name = "sm_clock", .unit = "mhz", .mean = 1500.5, .least = 345, .most = 1980, .observed = 9 * kSecond},
       {.name = "pcie_sent", .unit = "bytes", .total = 9'678'057'090, .observed = 10 * kSecond},
       {.name = "held_back_thermal", .unit = "seconds", .total = 0, .is_sampled = true, .observed = kSecond},
       {.name = "sm_occupancy", .mean = 0.25, .least = 0, .most = 0.5},
       {.name = "memory_temperature", .unit = "celsius", .reason = "not supported"}});
  const auto devices = nlohmann::json::parse(bill_json(bill))["energy"]["devices"];
  EXPECT_EQ(devices[0]["quantities"], nlohmann::json::parse(R"({
    "sm_clock_mhz": {"mean": 1500.5, "min": 345.0, "max": 1980.0, "observed_seconds": 9.0},
    "pcie_sent_bytes": {"total": 9678057090, "observed_seconds": 10.0},
    "held_back_thermal_seconds": {"total": 0.0, "observed_seconds": 1.0, "sampled": true},
    "sm_occupancy": {"mean": 0.25, "min": 0.0, "max": 0.5, "observed_seconds": 0.0},
    "memory_temperature_celsius": null})"));
  EXPECT_EQ(devices[0]["quantity_reasons"],
            nlohmann::json::parse(R"({"memory_temperature_celsius": "not supported"})"));
  EXPECT_EQ(devices[1]["quantities"], nlohmann::json::object());
  EXPECT_EQ(devices[1]["quantity_reasons"], nlohmann::json::object());
}

TEST(DiagnosisText, SaysOfAGpuWhatElseItTellsAndWhatNot) {
  const auto channel = [](std::string name, std::optional<std::string> missing = {}) {
    return QuantityChannel{.device = "gpu:0", .name = std::move(name), .missing = std::move(missing)};
  };
  Diagnosis diagnosis;
  diagnosis.devices = {
      {.device = {.id = "gpu:0", .kind = DeviceKind::gpu},
       .counted = true,
       .channel = {.sensor = "nvml-counter"},
       .quantities = {channel("sm_clock"), channel("memory_clock"), channel("temperature"),
                      channel("memory_temperature", "not supported"), channel("pcie_sent", "not supported"),
                      channel("pcie_received", "not supported"), channel("sm_occupancy", "no permission")}}};
  diagnosis.devices[0].quantities.push_back(
      {.device = "gpu:0", .kind = QuantityKind::state, .name = "held_back_power_cap", .unit = "seconds"});
  std::string words = diagnosis_text(diagnosis, Style{Paint::plain});
  EXPECT_LE(widest_line(words), 80u);
  for (std::size_t at = 0; (at = words.find('\n', at)) != words.npos;) {
    words.replace(at, std::max<std::size_t>(1, std::min(words.find_first_not_of("\n ", at), words.size()) - at), " ");
    ++at;
  }
  EXPECT_NE(words.find("also tells clocks, temperatures, what holds them back (sampled); without use of its parts (no "
                       "permission); without memory temperature, PCIe bytes (not supported)"),
            words.npos)
      << words;
  const auto json = nlohmann::json::parse(diagnosis_json(diagnosis))["devices"][0];
  EXPECT_EQ(json["quantities"].size(), 4u);
  EXPECT_EQ(json["quantities"][3], "held_back_power_cap_seconds");
  EXPECT_EQ(json["quantity_reasons"]["pcie_sent"], "not supported");
}

TEST(DiagnosisText, SaysThatTheLastRunBelievedAnother) {
  Diagnosis diagnosis;
  diagnosis.devices = {{.device = {.id = "gpu:0", .kind = DeviceKind::gpu},
                        .counted = true,
                        .channel = {.sensor = "nvml-counter"},
                        .last_sensor = "nvml-average",
                        .checks = {{.sensor = "nvml-counter", .ratio = 0.57}}}};
  EXPECT_NE(diagnosis_text(diagnosis, Style{Paint::plain}).find("in the last run nvml-average was believed"),
            std::string::npos);
  EXPECT_EQ(diagnosis_text(diagnosis, Style{Paint::plain}).find("differed"), std::string::npos);
  EXPECT_EQ(nlohmann::json::parse(diagnosis_json(diagnosis))["devices"][0]["last_run_sensor"], "nvml-average");
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

TEST(Bottlenecks, TheBillSaysWhatEachPhaseIsBoundByAndWhy) {
  const std::string text = bill_text(starved_bill(), Style{Paint::plain});
  EXPECT_NE(text.find("bound       decode: memory-bound: DRAM 82 % of 3.35 TB/s, tensor cores 11 %"), text.npos)
      << text;
  EXPECT_NE(text.find("train: input-bound: 38 % of the time waits for data, loader"), text.npos) << text;
  EXPECT_LE(widest_line(text), kPageWidth);
}

TEST(Bottlenecks, WhereNothingIsKnownTheBillSaysNothing) {
  EXPECT_EQ(bill_text(small_bill(), Style{Paint::plain}).find("bound "), std::string::npos);
}

TEST(Bottlenecks, TheJsonHasSharesFiguresAndReasons) {
  const auto json = nlohmann::json::parse(bill_json(starved_bill()));
  const auto& train = json.at("phases").at(2).at("bottleneck");
  EXPECT_EQ(train.at("verdict"), "input-bound");
  EXPECT_DOUBLE_EQ(train.at("shares").at("input_wait"), 0.38);
  EXPECT_DOUBLE_EQ(train.at("input").at("workers"), 4);
  EXPECT_DOUBLE_EQ(train.at("input").at("workers_busy"), 0.95);
  const auto& decode = json.at("phases").at(1).at("bottleneck");
  EXPECT_NEAR(decode.at("gpus").at(0).at("memory_bytes_per_second").get<double>(), 0.82 * 3.35e12, 1e10);
  EXPECT_TRUE(decode.at("reason").is_null());
  EXPECT_TRUE(decode.at("memory").at("bytes_per_second").is_null());
  EXPECT_NE(decode.at("memory").at("reason"), "");
  const auto& outside = json.at("phases").at(0).at("bottleneck");
  EXPECT_EQ(outside.at("verdict"), "unknown");
  EXPECT_TRUE(outside.at("evidence").is_null() && outside.at("shares").at("busy").is_null());
  EXPECT_NE(outside.at("reason"), "");
}

}  // namespace
}  // namespace everywatt

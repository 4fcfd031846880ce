// Facts of the environment that are looked at while the job runs, so that they delay neither its start nor its end:
// whether the working copy was changed, beside the loop, and with which libraries the job's processes compute, at some
// of the windows of the first ten minutes. What was not known by the end is "unknown" or left out.
#pragma once
#include <future>
#include <map>
#include <span>
#include <string>

#include "job/job.h"
#include "model/mark.h"

namespace everywatt {

class LaterFacts {
 public:
  // Starts to look at the working copy around this folder; empty: at none.
  void begin(const std::string& working_directory);
  // After each window, numbered from 1.
  void look(std::uint64_t window, const Job& job, std::span<const ProcessKey> speakers,
            std::map<std::string, std::string>& environment);
  // What is known of the working copy by now.
  void finish(std::map<std::string, std::string>& environment);

 private:
  std::future<std::string> dirty_;
};

}  // namespace everywatt

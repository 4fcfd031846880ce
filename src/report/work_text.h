// The work of a model and of its training, for people and as JSON, schema
// "everywatt.flops/1" (docs/formats/flops.md).
#pragma once
#include <string>

#include "account/work_statement.h"
#include "report/style.h"

namespace everywatt {

// `title`: what was asked about, such as the file of the model.
std::string work_text(const WorkStatement& statement, const std::string& title, const Style& style);
std::string work_json(const WorkStatement& statement, const std::string& title);

}  // namespace everywatt

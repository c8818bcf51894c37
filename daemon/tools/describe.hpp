#pragma once
/// Views as text for a model: everything the structured content says, in fewer tokens. Pure.
#include <string>
#include <vector>

#include "common/domain/process.hpp"
#include "daemon/core/supervisor.hpp"

namespace persistproc::tools {

/// Three lines: who and how; what and where; facts.
std::string describe(const ProcessView& view);
std::string describe(const std::vector<ProcessView>& views);

/// `p3 "web" running`, or `p3 "web" exited, code 7`, with its causes: the first words of text answers.
std::string headline(const core::Located& process);
/// How a run ended, with its causes: "exited with code 7", "was stopped by me".
std::string fate(const std::optional<Outcome>& outcome);
/// As a view tells it.
domain::Ending ending_of(const core::Located& process);

}  // namespace persistproc::tools

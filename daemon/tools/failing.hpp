#pragma once
/// What went wrong, for answers: as facts, and in words that stand before anything a program printed. Pure.
#include <optional>
#include <string>

#include "common/logstore/error_block.hpp"
#include "common/ops/failure_facts.hpp"
#include "common/ops/wait_for_process.hpp"
#include "daemon/core/failure.hpp"

namespace persistproc::tools {

/// " at src/a.ts:3:5", as one word whatever the program printed; empty: the place is not told.
std::string place_of(const std::optional<logstore::ErrorBlock>& error);
ops::PrintedError printed_error(const logstore::ErrorBlock& block);
ops::FailureFacts facts_of(const core::Failure& failure, ProcessId process);

}  // namespace persistproc::tools

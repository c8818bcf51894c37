#include "common/ops/failure_facts.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "common/base/text.hpp"
#include "common/schema/codec.hpp"

namespace persistproc::ops {

namespace {

/// A program calls itself what it likes: what is more than a word stands in quotes.
std::string program_text(const std::string& name) {
    const bool is_word = !name.empty() && std::all_of(name.begin(), name.end(), [](char c) {
        const bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        return is_letter || (c >= '0' && c <= '9') || std::string_view("-_.+:").find(c) != std::string_view::npos;
    });
    return is_word ? name : base::quote(name);
}

}  // namespace

std::string held_port_text(const FailureFacts& facts) {
    if (!facts.held_port) return {};
    std::string holder = "a process of another user";
    if (facts.holder_process)
        holder = fmt::format("{} {}{}", *facts.holder_process, base::quote(facts.holder_label.value_or("")),
                             facts.only_awaited.value_or(false) ? "" : ": persistproc stop " + *facts.holder_process);
    else if (facts.holder_data_directory)
        holder = fmt::format("your persistproc daemon for {} (PID {})", *facts.holder_data_directory,
                             facts.holder_pid.value_or(0));
    else if (facts.holder_pid)
        holder = fmt::format("{} (PID {})", program_text(facts.holder_name.value_or("")), *facts.holder_pid);
    return fmt::format("port {} is held by {}", *facts.held_port, holder);
}

}  // namespace persistproc::ops

PERSISTPROC_ANSWER_CODECS(, persistproc::ops::FailureFacts)
PERSISTPROC_ANSWER_CODECS(, persistproc::ops::PrintedError)

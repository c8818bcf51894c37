#include "cli/taken_port.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "cli/format/ending.hpp"
#include "cli/probes.hpp"
#include "cli/run_survey.hpp"
#include "common/base/text.hpp"
#include "common/logstore/reader.hpp"

namespace persistproc::cli {

namespace {

/// A stack trace may follow what matters.
constexpr std::size_t lines_looked_at = 40;

bool is_digit(char c) { return c >= '0' && c <= '9'; }

bool complains(std::string_view line) {
    std::string lower(line);
    for (char& c : lower) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    constexpr std::array phrases = {
        "eaddrinuse", "address already in use", "address in use",           "already in use",
        "is in use",  "was already in use",     "port is already allocated"};
    return std::any_of(phrases.begin(), phrases.end(),
                       [&](const char* each) { return lower.find(each) != std::string::npos; });
}

void add_numbers(std::string_view text, std::vector<std::uint16_t>& out) {
    for (std::size_t i = 0; i < text.size();) {
        if (!is_digit(text[i])) {
            ++i;
            continue;
        }
        std::size_t end = i;
        while (end < text.size() && is_digit(text[end])) ++end;
        std::uint16_t number = 0;
        const auto read = std::from_chars(text.data() + i, text.data() + end, number);
        const bool is_port = read.ec == std::errc() && number > 0;
        if (is_port && std::find(out.begin(), out.end(), number) == out.end()) out.push_back(number);
        i = end;
    }
}

std::string holder_text(const std::vector<ProcessView>& views, const PortHolder& holder, std::uint16_t port) {
    for (const auto& view : views)
        if (std::find(view.ports.begin(), view.ports.end(), port) != view.ports.end()) return format::name_text(view);
    return cli::holder_text(holder);
}

}  // namespace

Result<std::vector<std::string>> last_lines(const ProcessView& view, std::size_t count) {
    std::vector<std::string> out;
    const auto id = domain::find_process_id(view.id);
    if (!id || !view.run) return out;
    const auto directory = find_log(view);
    if (!directory) return directory.error();
    logstore::LineQuery query;
    query.run = domain::find_run_number(*view.run, *id);
    query.last = count;
    auto page = logstore::read_lines(*directory, query);
    if (!page) return page.error();
    for (auto& line : page->lines) out.push_back(std::move(line.text));
    return out;
}

std::vector<std::uint16_t> ports_complained_of(const std::vector<std::string>& lines,
                                               const std::vector<std::string>& command) {
    std::vector<std::uint16_t> out;
    bool has_complained = false;
    for (const auto& line : lines)
        if (complains(line)) {
            has_complained = true;
            add_numbers(line, out);
        }
    if (!has_complained) return out;
    for (const auto& line : lines)
        if (line.find("port") != std::string::npos || line.find("Port") != std::string::npos) add_numbers(line, out);
    for (const auto& word : command) add_numbers(word, out);
    return out;
}

Task<std::string> explain_taken_port(DaemonClient& client, ProcessView view) {
    const auto lines = last_lines(view, lines_looked_at);
    if (!lines) co_return std::string();
    for (const std::uint16_t port : ports_complained_of(*lines, view.command)) {
        const auto holder = find_port_holder(port);
        if (!holder) continue;
        auto views = co_await client.list_all();
        const std::string who = holder_text(views ? *views : std::vector<ProcessView>(), *holder, port);
        co_return fmt::format("port {} is held by {}", port, who);
    }
    co_return std::string();
}

}  // namespace persistproc::cli

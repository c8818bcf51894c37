#include "daemon/core/targets.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <optional>

#include "common/base/letters.hpp"
#include "common/base/text.hpp"

namespace persistproc::core {

namespace {

using Matches = std::vector<const Candidate*>;

template <class Predicate>
Matches matching(const std::vector<Candidate>& candidates, Predicate predicate) {
    Matches out;
    for (const auto& each : candidates)
        if (predicate(each)) out.push_back(&each);
    return out;
}

/// Whether `target` is that command with the directory behind it, or with the end of its path: "npm run dev in web".
bool is_command_in(std::string_view target, const std::string& command, std::string_view directory) {
    if (!target.starts_with(command + " in ")) return false;
    target.remove_prefix(command.size() + 4);
    if (target == directory) return true;
    if (target.starts_with("./")) target.remove_prefix(2);
    if (target.ends_with('/')) target.remove_suffix(1);
    return !target.empty() && target.front() != '/' && directory.ends_with("/" + std::string(target));
}

/// The words joined as a person would type them, unquoted.
std::string plain_line(const std::vector<std::string>& command) {
    std::string out;
    for (const auto& word : command) {
        if (!out.empty()) out += ' ';
        out += word;
    }
    return out;
}

Error ambiguous(std::string_view target, const Matches& matches) {
    std::string text = fmt::format("\"{}\" names {} processes; use an id:", base::excerpt(target), matches.size());
    for (const auto* each : matches)
        text += fmt::format(" {} (label {}, in {}, {});", to_string(each->id), base::quote(each->label),
                            base::escape_line(each->working_directory),
                            each->pid > 0 ? fmt::format("PID {}", each->pid) : std::string("no PID"));
    text.pop_back();
    return {ErrorCode::ambiguous, text};
}

bool is_word_character(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || (c & 0x80) != 0; }

/// How far a label is from what was meant to name it; nothing: it is another.
std::optional<std::size_t> distance_to(std::string_view as_labelled, std::string_view as_typed) {
    const std::string label = base::small_letters(as_labelled), target = base::small_letters(as_typed);
    constexpr std::size_t least_part = 2, long_word = 8;
    if (target.size() >= least_part && label.find(target) != std::string_view::npos) return 1;
    // "web-server" for "web", but not "website".
    if (label.size() >= least_part && target.starts_with(label) && !is_word_character(target[label.size()])) return 2;
    const std::size_t distance = base::edit_distance(target, label);
    // Any word of one letter is as near as that.
    if (distance > (target.size() >= long_word ? 2 : 1) || distance >= target.size()) return std::nullopt;
    return distance;
}

/// What of a label is likely to be typed: of one that says the directory, too, all but that.
std::string_view typed_part(const Candidate& candidate) {
    const std::string_view label = candidate.label;
    return label.substr(0, label.rfind(" in " + candidate.working_directory));
}

/// Of "p3.2", which answers name a run with: its process, where that is there.
const Candidate* process_of_run(std::string_view target, const std::vector<Candidate>& candidates) {
    const auto dot = target.find('.');
    const auto id = dot == target.npos ? std::nullopt : domain::find_process_id(target.substr(0, dot));
    const bool is_run = id && dot + 1 < target.size() && target.find_first_not_of("0123456789", dot + 1) == target.npos;
    const auto is_it = [&](const Candidate& each) { return is_run && each.id == *id; };
    const auto found = std::find_if(candidates.begin(), candidates.end(), is_it);
    return found == candidates.end() ? nullptr : &*found;
}

Error not_found(std::string_view target, const std::vector<Candidate>& candidates) {
    if (const auto* process = process_of_run(target, candidates))
        return {ErrorCode::not_found, fmt::format("{} is a run; its process is {} {}", base::excerpt(target),
                                                  to_string(process->id), base::quote(process->label))};
    const auto shown = target.substr(0, 200);
    std::vector<std::pair<std::size_t, const Candidate*>> near;
    for (const auto& each : candidates)
        if (const auto distance = distance_to(typed_part(each), shown)) near.emplace_back(*distance, &each);
    std::stable_sort(near.begin(), near.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
    std::string text = fmt::format("no process is \"{}\"", base::excerpt(target));
    if (candidates.empty()) return {ErrorCode::not_found, text + "; there are none yet: start one"};
    if (near.empty()) return {ErrorCode::not_found, text + "; list the processes to see which there are"};
    const std::string prefix = std::string(shown) + "/";
    const auto is_of_it = [&](const auto& each) { return each.second->label.starts_with(prefix); };
    const bool is_project = std::any_of(near.begin(), near.end(), is_of_it);
    if (is_project) std::stable_partition(near.begin(), near.end(), is_of_it);
    constexpr std::size_t most = 3;
    text += is_project ? fmt::format("; of project {}:", base::quote(base::excerpt(shown))) : "; nearest:";
    for (std::size_t i = 0; i < std::min(most, near.size()) && (!is_project || is_of_it(near[i])); ++i)
        text += fmt::format("{} {} {}", i == 0 ? "" : ",", to_string(near[i].second->id),
                            base::quote(near[i].second->label));
    if (is_project && near.size() > most && is_of_it(near[most])) text += ", …";
    return {ErrorCode::not_found, text};
}

}  // namespace

Result<ProcessId> resolve_target(std::string_view target, const std::vector<Candidate>& candidates) {
    if (target.empty())
        return Error{ErrorCode::invalid, "process: must not be empty; give an id, label, PID or command"};
    const auto one = [&](const Matches& matches) -> std::optional<Result<ProcessId>> {
        if (matches.empty()) return std::nullopt;
        if (matches.size() == 1) return Result<ProcessId>(matches.front()->id);
        Matches live;
        for (const auto* each : matches)
            if (each->is_live) live.push_back(each);
        if (live.size() == 1) return Result<ProcessId>(live.front()->id);
        return Result<ProcessId>(ambiguous(target, matches));
    };
    if (const auto id = domain::find_process_id(target)) {
        const auto found = matching(candidates, [&](const Candidate& c) { return c.id == *id; });
        if (!found.empty()) return found.front()->id;
    }
    const auto labelled = matching(candidates, [&](const Candidate& c) { return c.label == target; });
    std::int64_t pid = 0;
    const auto parsed = std::from_chars(target.data(), target.data() + target.size(), pid);
    const bool is_pid = parsed.ec == std::errc{} && parsed.ptr == target.data() + target.size() && pid > 0;
    const auto with_pid = [&](bool live_only) {
        return matching(candidates,
                        [&](const Candidate& c) { return is_pid && c.pid == pid && (c.is_live || !live_only); });
    };
    // A label that is the PID of another says of neither which is meant.
    Matches named = labelled;
    for (const auto* each : with_pid(true))
        if (std::find(named.begin(), named.end(), each) == named.end()) named.push_back(each);
    if (!labelled.empty() && named.size() > labelled.size()) return ambiguous(target, named);
    if (auto found = one(named)) return *found;
    if (auto found = one(with_pid(false))) return *found;
    const auto by_command = matching(candidates, [&](const Candidate& c) {
        const std::string quoted = domain::command_line(c.command);
        const std::string plain = plain_line(c.command);
        return target == quoted || target == plain || is_command_in(target, quoted, c.working_directory) ||
               is_command_in(target, plain, c.working_directory);
    });
    if (auto found = one(by_command)) return *found;
    return not_found(target, candidates);
}

}  // namespace persistproc::core

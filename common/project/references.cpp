#include "common/project/references.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "common/base/text.hpp"

namespace persistproc::project {

namespace {

bool is_word_character(char c) noexcept {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
}

/// What stands between the braces of `${name.key}` at the front of `text`; nothing: this is the shell's.
std::optional<std::string_view> find_reference(std::string_view text) {
    std::size_t end = 2;
    while (end < text.size() && is_word_character(text[end])) ++end;
    if (end == 2 || end == text.size() || text[end] != '.') return std::nullopt;
    while (end < text.size() && (is_word_character(text[end]) || text[end] == '.')) ++end;
    if (text.substr(end).starts_with(":-")) end = std::min(text.find('}', end), text.size());
    if (end == text.size() || text[end] != '}') return std::nullopt;
    return text.substr(2, end - 2);
}

/// `name.key` at the front of `text`, behind "${", whatever comes then.
std::string_view begun_reference(std::string_view text) {
    std::size_t end = 2;
    while (end < text.size() && (is_word_character(text[end]) || text[end] == '.')) ++end;
    return text.substr(2, end - 2);
}

class Replacer {
public:
    Replacer(const ReferenceValues& known, Values values) : known_(known), values_(values) {}

    /// Of what begins as a reference to something that is known here, and does not end as one. No shell would take it.
    Result<void> check_unfinished(std::string_view begun) const {
        const bool is_known = begun.starts_with("env.") || begun.starts_with("project.") || find_process(begun);
        if (!is_known) return {};
        return Error{ErrorCode::invalid,
                     fmt::format("${{{}: \"}}\" is missing behind it; for the shell's own, write $${{…",
                                 base::shortened(begun))};
    }

    Result<std::string> value_of(std::string_view reference) const {
        if (reference == "project.name") return known_.project_name;
        if (reference == "project.root") return known_.project_root;
        if (reference.starts_with("env.")) return variable(reference);
        const auto* const process = find_process(reference);
        if (process == nullptr) return unknown_name(reference);
        return of_process(reference, process->first, process->second);
    }

private:
    using Process = std::map<std::string, PortNumbers>::value_type;

    /// A process's name may hold dots: the longest that is known counts.
    const Process* find_process(std::string_view reference) const {
        const Process* out = nullptr;
        for (const auto& each : known_.ports) {
            const bool is_meant = reference.starts_with(each.first) && reference.size() > each.first.size() &&
                                  reference[each.first.size()] == '.';
            if (is_meant && (out == nullptr || each.first.size() > out->first.size())) out = &each;
        }
        return out;
    }

    static Error refuse(std::string_view reference, std::string_view why) {
        return Error{ErrorCode::invalid, fmt::format("${{{}}}: {}", base::shortened(reference), why)};
    }

    Error unknown_name(std::string_view reference) const {
        const std::string_view name = reference.substr(0, reference.find('.'));
        std::vector<std::string> names{"project", "env"};
        for (const auto& each : known_.ports) names.push_back(each.first);
        const std::string near = base::nearest_word(name, names);
        return refuse(reference,
                      fmt::format("no process {}{}; for the shell's own, write $${{…}}",
                                  base::quote(base::shortened(name)), near.empty() ? "" : "; nearest: " + near));
    }

    Result<std::string> variable(std::string_view reference) const {
        std::string_view name = reference.substr(4);
        const std::size_t dash = name.find(":-");
        const bool has_default = dash != std::string_view::npos;
        const std::string_view standard = name.substr(has_default ? dash + 2 : name.size());
        name = name.substr(0, dash);
        const std::string shown = fmt::format("env.{}", name);
        if (values_ == Values::refused)
            return refuse(
                shown,
                fmt::format("values of variables are shown nowhere, and this is; in a command ${} is the shell's",
                            name));
        if (known_.leaves_variables) return fmt::format("${{{}}}", reference);
        const auto value = known_.variable ? known_.variable(std::string(name)) : std::nullopt;
        if (has_default && (!value || value->empty())) return std::string(standard);
        if (!value) return refuse(shown, fmt::format("not set; ${{env.{}:-…}} says what stands for it then", name));
        return *value;
    }

    static Result<std::string> of_process(std::string_view reference, const std::string& name,
                                          const PortNumbers& ports) {
        const std::string_view key = reference.substr(name.size() + 1);
        const bool is_url = key == "url";
        if (!is_url && key != "port" && !key.starts_with("port."))
            return refuse(reference, "of a process there are port, port.NAME and url");
        if (ports.empty()) return refuse(reference, fmt::format("{} has no port", name));
        if (key.starts_with("port.")) {
            const auto found = ports.find(std::string(key.substr(5)));
            if (found == ports.end() || found->first.empty())
                return refuse(reference, fmt::format("{} has no port of that name", name));
            return std::to_string(found->second);
        }
        if (ports.size() > 1) return refuse(reference, fmt::format("{} has several ports; name one: port.NAME", name));
        const int number = ports.begin()->second;
        return is_url ? fmt::format("http://localhost:{}", number) : std::to_string(number);
    }

    const ReferenceValues& known_;
    Values values_;
};

}  // namespace

Result<std::string> replace_references(std::string_view text, const ReferenceValues& known, Values values) {
    std::string out;
    const Replacer replacer(known, values);
    const std::size_t last_end = text.rfind('}');
    for (std::size_t at = 0; at < text.size();) {
        const std::string_view rest = text.substr(at);
        const bool may_be_one = rest.starts_with("${") && last_end != std::string_view::npos && at < last_end;
        if (rest.starts_with("$${")) {
            out += "${";
            at += 3;
            continue;
        }
        if (!rest.starts_with("${")) {
            out += text[at++];
            continue;
        }
        if (known.is_over && known.is_over()) return Error{ErrorCode::unavailable, "nobody asks for it any more"};
        if (const auto reference = may_be_one ? find_reference(rest) : std::nullopt) {
            auto value = replacer.value_of(*reference);
            if (!value) return value.error();
            out += *value;
            if (out.size() > max_replaced_bytes)
                return Error{ErrorCode::invalid,
                             fmt::format("with what its references stand for it is longer than {} MiB",
                                         max_replaced_bytes >> 20)};
            at += reference->size() + 3;
        } else {
            if (auto fine = replacer.check_unfinished(begun_reference(rest)); !fine) return fine.error();
            out += text[at++];
        }
    }
    return out;
}

}  // namespace persistproc::project

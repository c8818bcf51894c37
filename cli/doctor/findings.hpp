#pragma once
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cli/agents/entry_check.hpp"
#include "cli/format/json_text.hpp"

namespace persistproc::cli::doctor {

using agents::Verdict;

/// What the checks of `doctor` have found, in their order: of what, what, and what to do about it (empty: nothing).
class Findings {
public:
    void add(Verdict verdict, std::string name, std::string detail, std::string advice = {}) {
        constexpr std::string_view names[] = {"ok", "note", "problem"};
        lines_.push_back(
            {std::move(name), names[static_cast<std::size_t>(verdict)], std::move(detail), std::move(advice)});
        has_problem_ = has_problem_ || verdict == Verdict::problem;
    }
    void ok(std::string name, std::string detail) { add(Verdict::ok, std::move(name), std::move(detail)); }
    void note(std::string name, std::string detail, std::string advice) {
        add(Verdict::note, std::move(name), std::move(detail), std::move(advice));
    }
    void problem(std::string name, std::string detail, std::string advice) {
        add(Verdict::problem, std::move(name), std::move(detail), std::move(advice));
    }

    const std::vector<format::CheckLine>& lines() const noexcept { return lines_; }
    bool has_problem() const noexcept { return has_problem_; }

private:
    std::vector<format::CheckLine> lines_;
    bool has_problem_ = false;
};

}  // namespace persistproc::cli::doctor

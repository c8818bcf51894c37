#include "cli/format/tool_table.hpp"

#include <fmt/format.h>

#include <string_view>

#include "common/ops/agent_operations.hpp"

namespace persistproc::cli::format {

namespace {

template <class M>
struct Held {
    using Type = M;
};
template <class M>
struct Held<std::optional<M>> : Held<M> {};

template <class Request>
std::string tool_row() {
    const std::string_view description = Request::operation.description;
    // Its first sentence says what it does, those behind it when to use it.
    std::string row = fmt::format("| `{}` | {}", Request::operation.name,
                                  description.substr(0, std::min(description.find(". "), description.size() - 1) + 1));
    std::string_view between = " | ";
    Request::fields([&](const auto& field) {
        if (!field.is_for(schema::by_agents)) return;
        const std::string_view strong = field.is_required ? "**" : "";
        row += fmt::format("{}{}`{}`{}", between, strong, field.name, strong);
        between = ", ";
        using Value = typename Held<typename std::decay_t<decltype(field)>::Value>::Type;
        if constexpr (schema::HasEnumNames<Value>) {
            std::string_view before = " (";
            for (const auto& [value, word] : schema::EnumNames<Value>::names) {
                row += fmt::format("{}`{}`", before, word);
                before = ", ";
            }
            row += ")";
        }
    });
    return row + " |\n";
}

}  // namespace

std::string tool_table() {
    std::string out = "| tool | what it does | arguments, **required** ones first |\n|---|---|---|\n";
    ops::for_each_agent_request([&out]<class Request>() { out += tool_row<Request>(); });
    return out;
}

}  // namespace persistproc::cli::format

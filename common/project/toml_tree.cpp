#include <fmt/format.h>

#include <algorithm>

#include "common/base/text.hpp"
#include "common/config/toml_bounds.hpp"
#include "common/config/toml_parser.hpp"
#include "common/project/trees.hpp"

namespace persistproc::project {

namespace {

class TomlConverter {
public:
    explicit TomlConverter(std::uint32_t file) : file_(file) {}

    Place place(const toml::source_position& at) const { return {file_, at.line, at.column}; }

    Node table(const toml::table& from, Place at) const {
        Node out = make_table(at);
        for (const auto& [key, value] : from) {
            Member member{std::string(key.str()), place(key.source().begin), node(value)};
            // A table that headers alone have opened stands where the first of them names it.
            if (value.is_table() && !value.as_table()->is_inline()) member.value.at = member.at;
            out.members.push_back(std::move(member));
        }
        std::stable_sort(out.members.begin(), out.members.end(),
                         [](const Member& a, const Member& b) { return a.at < b.at; });
        return out;
    }

private:
    Node node(const toml::node& from) const {
        const Place at = place(from.source().begin);
        if (const auto* each = from.as_table()) return table(*each, at);
        if (const auto* each = from.as_string()) return make_text(each->get(), at);
        if (const auto* each = from.as_integer()) return make_integer(each->get(), at);
        if (const auto* each = from.as_boolean()) return make_boolean(each->get(), at);
        Node out = make_list(at);
        if (const auto* each = from.as_array()) {
            for (const auto& item : *each) out.items.push_back(node(item));
        } else if (const auto* number = from.as_floating_point()) {
            out.kind = Node::Kind::number;
            out.number = number->get();
        } else {
            out.kind = Node::Kind::null;  // a date or a time, which no key takes
        }
        return out;
    }

    std::uint32_t file_;
};

}  // namespace

std::optional<Node> parse_toml(std::string_view text, std::uint32_t file, Problems& problems) {
    std::uint32_t line = 1;
    if (auto fits = config::check_toml_bounds(text, &line); !fits) {
        add_problem(problems, {file, line, 1}, fits.error().message);
        return std::nullopt;
    }
    const auto parsed = toml::parse(text);
    const TomlConverter converter(file);
    if (!parsed) {
        const auto& error = parsed.error();
        add_problem(problems, converter.place(error.source().begin), base::escape_line(error.description()));
        return std::nullopt;
    }
    return converter.table(parsed.table(), {file, 1, 1});
}

}  // namespace persistproc::project

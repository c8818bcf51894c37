#include <charconv>
#include <cstdio>
#include <set>

#include "common/base/text.hpp"
#include "common/config/json_document.hpp"
#include "common/config/position.hpp"
#include "common/project/trees.hpp"

namespace persistproc::project {

namespace {

class JsonConverter {
public:
    JsonConverter(std::string_view text, std::uint32_t file, Problems& problems)
        : text_(text), file_(file), problems_(problems) {}

    Node node(const config::JsonNode& from) {
        using Kind = config::JsonNode::Kind;
        const Place at = place(from.begin);
        switch (from.kind) {
            case Kind::string: return make_text(from.text, at);
            case Kind::yes:
            case Kind::no: return make_boolean(from.kind == Kind::yes, at);
            case Kind::number: return number(text_.substr(from.begin, from.end - from.begin), at);
            case Kind::null: {
                Node out;
                out.at = at;
                return out;
            }
            case Kind::array: {
                Node out = make_list(at);
                for (const auto& each : from.items) out.items.push_back(node(each));
                return out;
            }
            case Kind::object: break;
        }
        Node out = make_table(at);
        std::set<std::string_view> names;
        for (const auto& each : from.members) {
            if (!names.insert(each.name).second)
                add_problem(problems_, place(each.begin), base::quote(base::shortened(each.name)) + " is there twice");
            else
                out.members.push_back({each.name, place(each.begin), node(each.value)});
        }
        return out;
    }

private:
    /// Counts on from the last place: nodes are met in the order of the text, members' names before their values.
    Place place(std::size_t offset) {
        if (offset < counted_) {
            counted_ = 0;
            at_ = {file_, 1, 1};
        }
        for (; counted_ < offset; ++counted_) {
            const bool is_start = (static_cast<unsigned char>(text_[counted_]) & 0xc0u) != 0x80u;
            if (text_[counted_] == '\n')
                at_ = {file_, at_.line + 1, 1};
            else if (is_start)
                ++at_.column;
        }
        return at_;
    }

    static Node number(std::string_view text, Place at) {
        std::int64_t whole = 0;
        const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), whole);
        if (failed == std::errc{} && end == text.data() + text.size()) return make_integer(whole, at);
        Node out = make_integer(0, at);
        out.kind = Node::Kind::number;
        std::from_chars(text.data(), text.data() + text.size(), out.number);
        return out;
    }

    std::string_view text_;
    std::uint32_t file_;
    Problems& problems_;
    std::size_t counted_ = 0;
    Place at_{file_, 1, 1};
};

/// "line 3, column 5: why" taken apart.
Problem taken_apart(const std::string& message, std::uint32_t file) {
    Problem out{{file, 1, 1}, message};
    unsigned line = 0, column = 0;
    int read = 0;
    if (std::sscanf(message.c_str(), "line %u, column %u: %n", &line, &column, &read) == 2 && read > 0)
        out = {{file, line, column}, message.substr(static_cast<std::size_t>(read))};
    return out;
}

}  // namespace

std::optional<Node> parse_json_tree(std::string_view text, std::uint32_t file, Problems& problems) {
    if (text.size() > max_file_bytes) {
        add_problem(problems, {file, 1, 1}, "more than 1 MiB");
        return std::nullopt;
    }
    const auto document = config::parse_json(text);
    if (!document) {
        const Problem problem = taken_apart(document.error().message, file);
        add_problem(problems, problem.at, problem.what);
        return std::nullopt;
    }
    if (!document->root || document->root->kind != config::JsonNode::Kind::object) {
        add_problem(problems, {file, 1, 1}, "an object is expected");
        return std::nullopt;
    }
    return JsonConverter(text, file, problems).node(*document->root);
}

}  // namespace persistproc::project

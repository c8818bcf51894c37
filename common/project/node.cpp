#include "common/project/node.hpp"

#include <algorithm>
#include <map>
#include <utility>

#include "common/schema/codec.hpp"

namespace persistproc::project {

const Member* Node::find_member(std::string_view key) const noexcept {
    const auto found =
        std::find_if(members.begin(), members.end(), [key](const Member& each) { return each.key == key; });
    return found == members.end() ? nullptr : &*found;
}
const Node* Node::find(std::string_view key) const noexcept {
    const Member* const member = find_member(key);
    return member == nullptr ? nullptr : &member->value;
}
Node* Node::find(std::string_view key) noexcept { return const_cast<Node*>(std::as_const(*this).find(key)); }

std::string_view Node::kind_text() const noexcept {
    switch (kind) {
        case Kind::null: return "nothing";
        case Kind::boolean: return "true or false";
        case Kind::integer:
        case Kind::number: return "a number";
        case Kind::text: return "a text";
        case Kind::list: return "a list";
        case Kind::table: return "a table";
    }
    return "";
}

namespace {

Node make(Node::Kind kind, Place at) {
    Node out;
    out.kind = kind;
    out.at = at;
    return out;
}

}  // namespace

Node make_text(std::string text, Place at) {
    Node out = make(Node::Kind::text, at);
    out.text = std::move(text);
    return out;
}
Node make_boolean(bool flag, Place at) {
    Node out = make(Node::Kind::boolean, at);
    out.flag = flag;
    return out;
}
Node make_integer(std::int64_t number, Place at) {
    Node out = make(Node::Kind::integer, at);
    out.integer = number;
    return out;
}
Node make_list(Place at) { return make(Node::Kind::list, at); }
Node make_table(Place at) { return make(Node::Kind::table, at); }

Node& add_member(Node& table, std::string key, Node value) {
    const Place at = value.at;
    return table.members.emplace_back(Member{std::move(key), at, std::move(value)}).value;
}

void lay_over(Node& base, Node over) {
    if (!base.is_table() || !over.is_table()) {
        base = std::move(over);
        return;
    }
    std::map<std::string, std::size_t> places;
    for (std::size_t i = 0; i < base.members.size(); ++i) places.emplace(base.members[i].key, i);
    for (Member& each : over.members) {
        const auto below = places.find(each.key);
        if (below != places.end())
            lay_over(base.members[below->second].value, std::move(each.value));
        else
            base.members.push_back(std::move(each));
    }
}

bool is_within_bounds(const Node& node) noexcept {
    return node.members.size() <= most_members && node.items.size() <= most_members &&
           std::all_of(node.items.begin(), node.items.end(), is_within_bounds) &&
           std::all_of(node.members.begin(), node.members.end(),
                       [](const Member& each) { return is_within_bounds(each.value); });
}

schema::Json to_json(const Node& node) {
    using schema::Json;
    switch (node.kind) {
        case Node::Kind::null: return {};
        case Node::Kind::boolean: return Json(node.flag);
        case Node::Kind::integer: return Json(node.integer);
        case Node::Kind::number: return Json(node.number);
        case Node::Kind::text: return Json(node.text);
        case Node::Kind::list: {
            Json out = Json::array();
            for (const Node& each : node.items) out.push_back(to_json(each));
            return out;
        }
        case Node::Kind::table: {
            Json out = Json::object();
            for (const Member& each : node.members) out[each.key] = to_json(each.value);
            return out;
        }
    }
    return {};
}

Place place_of(const Node& node, const std::string& path, std::string_view message) {
    const auto is_within = [message](const std::string& below) {
        return message.starts_with(below) && message.size() > below.size() &&
               std::string_view(":.[").find(message[below.size()]) != std::string_view::npos;
    };
    for (std::size_t i = 0; i < node.items.size(); ++i)
        if (const auto below = schema::detail::item_path(path, i); is_within(below))
            return place_of(node.items[i], below, message);
    for (const Member& each : node.members) {
        const auto below = schema::detail::item_path(path, each.key);
        if (!is_within(below)) continue;
        // What is wrong with the key itself is shown there.
        return each.value.is_table() || each.value.is_list() ? place_of(each.value, below, message) : each.value.at;
    }
    return node.at;
}

}  // namespace persistproc::project

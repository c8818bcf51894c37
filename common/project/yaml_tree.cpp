#include <fmt/format.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include <istream>
#include <map>
#include <memory>
#include <set>
#include <streambuf>

#include "common/base/text.hpp"
#include "common/project/trees.hpp"

namespace persistproc::project {

namespace {

constexpr std::size_t max_depth = 32, max_events = 100'000;
constexpr std::size_t max_alias_bytes = 4u << 20;  // of what all of them stand for

/// Ends the parser's run from within: it knows no other way.
struct Refused {
    Problem problem;
};

/// Builds the tree of what yaml-cpp tells. Its own tree resolves no merge keys, keeps doubled ones and follows aliases
/// without a bound.
class Builder : public YAML::EventHandler {
public:
    explicit Builder(std::uint32_t file) : file_(file) {}

    std::optional<Node> take() { return std::move(root_); }

    void OnDocumentStart(const YAML::Mark&) override {}
    void OnDocumentEnd() override {}
    void OnAnchor(const YAML::Mark&, const std::string&) override {}

    void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override { add(make(Node::Kind::null, mark), anchor); }
    void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
        const auto found = anchors_.find(anchor);
        if (found == anchors_.end()) refuse(mark, "an alias within what it stands for");
        // A copy, within the same bound as what is written out.
        count(mark, found->second.second);
        alias_bytes_ += text_bytes(found->second.first);
        if (alias_bytes_ > max_alias_bytes)
            refuse(mark, fmt::format("more than {} MiB, aliases written out", max_alias_bytes >> 20));
        Node copy = found->second.first;
        if (copy.is_table() || copy.is_list()) check_depth(mark, open_.size() + depth_of(copy));
        place(std::move(copy));
    }
    void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  const std::string& value) override {
        Node out = make(Node::Kind::text, mark);
        out.is_plain = tag == "?";
        const bool is_null = out.is_plain && (value == "~" || value == "null" || value == "Null" || value == "NULL");
        if (is_null) out.kind = Node::Kind::null;
        out.text = value;
        add(std::move(out), anchor);
    }
    void OnSequenceStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                         YAML::EmitterStyle::value) override {
        begin(Node::Kind::list, mark, anchor);
    }
    void OnMapStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                    YAML::EmitterStyle::value) override {
        begin(Node::Kind::table, mark, anchor);
    }
    void OnSequenceEnd() override { end(); }
    void OnMapEnd() override { end(); }

private:
    /// What is being read, and of a table the key whose value comes next.
    struct Open {
        Node node;
        YAML::anchor_t anchor = 0;
        std::size_t first_event = 0;
        std::optional<Member> key;
        std::vector<Node> merged;
        std::set<std::string> keys;
    };

    [[noreturn]] void refuse(const YAML::Mark& mark, std::string what) const {
        throw Refused{{place_of_mark(mark), std::move(what)}};
    }
    Place place_of_mark(const YAML::Mark& mark) const {
        return {file_, static_cast<std::uint32_t>(mark.line + 1), static_cast<std::uint32_t>(mark.column + 1)};
    }
    Node make(Node::Kind kind, const YAML::Mark& mark) const {
        Node out;
        out.kind = kind;
        out.at = place_of_mark(mark);
        return out;
    }
    void count(const YAML::Mark& mark, std::size_t more = 1) {
        events_ += more;
        if (events_ > max_events) refuse(mark, fmt::format("more than {} values, aliases written out", max_events));
    }
    void check_depth(const YAML::Mark& mark, std::size_t depth) const {
        if (depth > max_depth) refuse(mark, fmt::format("more than {} lists or maps within each other", max_depth));
    }
    static std::size_t depth_of(const Node& node) {
        std::size_t deepest = 0;
        for (const Node& each : node.items) deepest = std::max(deepest, depth_of(each));
        for (const Member& each : node.members) deepest = std::max(deepest, depth_of(each.value));
        return deepest + (node.is_list() || node.is_table() ? 1 : 0);
    }

    static std::size_t text_bytes(const Node& node) {
        std::size_t out = node.text.size();
        for (const Node& each : node.items) out += text_bytes(each);
        for (const Member& each : node.members) out += each.key.size() + text_bytes(each.value);
        return out;
    }

    void begin(Node::Kind kind, const YAML::Mark& mark, YAML::anchor_t anchor) {
        count(mark);
        check_depth(mark, open_.size() + 1);
        open_.push_back({make(kind, mark), anchor, events_, std::nullopt, {}, {}});
    }
    void end() {
        Open done = std::move(open_.back());
        open_.pop_back();
        for (Node& each : done.merged)
            for (Member& member : each.members)
                if (done.keys.insert(member.key).second) done.node.members.push_back(std::move(member));
        if (done.anchor != 0) anchors_[done.anchor] = {done.node, events_ - done.first_event + 1};
        place(std::move(done.node));
    }
    void add(Node node, YAML::anchor_t anchor) {
        count(mark_of(node));
        if (anchor != 0) anchors_[anchor] = {node, 1};
        place(std::move(node));
    }
    static YAML::Mark mark_of(const Node& node) {
        YAML::Mark out;
        out.line = static_cast<int>(node.at.line) - 1;
        out.column = static_cast<int>(node.at.column) - 1;
        return out;
    }

    /// Puts a value that is complete where it belongs.
    void place(Node node) {
        const YAML::Mark mark = mark_of(node);
        if (open_.empty()) {
            root_ = std::move(node);
            return;
        }
        Open& within = open_.back();
        if (within.node.is_list()) {
            within.node.items.push_back(std::move(node));
        } else if (!within.key) {
            if (!node.is_text()) refuse(mark, "a text is expected for a key");
            within.key = Member{std::move(node.text), node.at, {}};
            if (within.key->key != "<<" && !within.keys.insert(within.key->key).second)
                refuse(mark, base::quote(base::shortened(within.key->key)) + " is there twice");
        } else if (within.key->key == "<<") {
            merge(within, std::move(node), mark);
            within.key.reset();
        } else {
            within.key->value = std::move(node);
            within.node.members.push_back(std::move(*within.key));
            within.key.reset();
        }
    }
    void merge(Open& into, Node node, const YAML::Mark& mark) {
        if (node.is_table()) {
            into.merged.push_back(std::move(node));
            return;
        }
        if (!node.is_list()) refuse(mark, "\"<<\" takes a map or a list of maps");
        for (Node& each : node.items) {
            if (!each.is_table()) refuse(mark, "\"<<\" takes a map or a list of maps");
            into.merged.push_back(std::move(each));
        }
    }

    std::uint32_t file_;
    std::optional<Node> root_;
    std::vector<Open> open_;
    std::map<YAML::anchor_t, std::pair<Node, std::size_t>> anchors_;  // with how many values each is
    std::size_t events_ = 0, alias_bytes_ = 0;
};

/// Reads where the text stands.
class TextBuffer : public std::streambuf {
public:
    explicit TextBuffer(std::string_view text) {
        char* const begin = const_cast<char*>(text.data());
        setg(begin, begin, begin + text.size());
    }
};

/// yaml-cpp looks for the end of each bracket before it tells of it, which takes a second where a file is nothing else.
/// Those in strings count, too: they are closed there as a rule.
bool is_flow_shallow(std::string_view text) {
    constexpr std::size_t most_open = 1000;
    std::size_t open = 0;
    for (const char c : text) {
        if (c == '[' || c == '{') ++open;
        if ((c == ']' || c == '}') && open > 0) --open;
        if (open > most_open) return false;
    }
    return true;
}

}  // namespace

std::optional<Node> parse_yaml(std::string_view text, std::uint32_t file, Problems& problems) {
    const auto refuse = [&](Place at, std::string what) {
        add_problem(problems, at, std::move(what));
        return std::nullopt;
    };
    if (text.size() > max_file_bytes) return refuse({file, 1, 1}, "more than 1 MiB");
    if (!is_flow_shallow(text))
        return refuse({file, 1, 1}, fmt::format("more than {} lists or maps within each other", max_depth));
    Builder builder(file);
    try {
        TextBuffer buffer(text);
        std::istream stream(&buffer);
        YAML::Parser parser(stream);
        if (!parser.HandleNextDocument(builder)) return refuse({file, 1, 1}, "there is nothing in it");
    } catch (const Refused& refused) {
        add_problem(problems, refused.problem.at, refused.problem.what);
        return std::nullopt;
    } catch (const YAML::Exception& failed) {
        const bool has_place = !failed.mark.is_null();
        const Place at{file, has_place ? static_cast<std::uint32_t>(failed.mark.line + 1) : 1,
                       has_place ? static_cast<std::uint32_t>(failed.mark.column + 1) : 1};
        return refuse(at, base::escape_line(failed.msg));
    }
    auto root = builder.take();
    if (!root || !root->is_table()) return refuse({file, 1, 1}, "a map is expected");
    return root;
}

}  // namespace persistproc::project

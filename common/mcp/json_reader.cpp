#include "common/mcp/json_reader.hpp"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

namespace persistproc::mcp {

namespace {

class Builder final : public nlohmann::json_sax<Json> {
public:
    explicit Builder(const JsonLimits& limits) : limits_(limits) {}

    Json root;
    std::string failure;

    bool null() override { return add(nullptr); }
    bool boolean(bool value) override { return add(value); }
    bool number_integer(number_integer_t value) override { return add(value); }
    bool number_unsigned(number_unsigned_t value) override { return add(value); }
    bool number_float(number_float_t value, const string_t&) override { return add(value); }
    bool string(string_t& value) override { return add(std::move(value)); }
    bool binary(binary_t&) override { return fail("binary value"); }

    bool start_object(std::size_t) override { return open(Json::object()); }
    bool start_array(std::size_t) override { return open(Json::array()); }
    bool end_array() override {
        open_.pop_back();
        return true;
    }

    bool key(string_t& name) override {
        if (!count()) return false;
        key_ = std::move(name);
        return true;
    }

    bool end_object() override {
        const auto& members = open_.back()->get_ref<const Json::object_t&>();
        open_.pop_back();
        if (members.size() < 2) return true;
        names_.clear();
        for (const auto& [name, value] : members) names_.push_back(name);
        std::sort(names_.begin(), names_.end());
        const auto twice = std::adjacent_find(names_.begin(), names_.end());
        if (twice == names_.end()) return true;
        return fail("a member name occurs twice in one object");
    }

    bool parse_error(std::size_t position, const std::string&, const nlohmann::detail::exception& error) override {
        // The library's text quotes the input; only its last part says what was expected.
        const std::string text = error.what();
        const auto at = text.find("syntax error");
        failure = fmt::format("not JSON at byte {}", position);
        if (at == std::string::npos && text.find("out_of_range") != std::string::npos)
            failure += ": number out of range";
        return false;
    }

private:
    bool fail(const char* what) {
        failure = what;
        return false;
    }

    bool count() {
        if (++nodes_ > limits_.nodes) return fail("too many values");
        return true;
    }

    // Objects are appended to without the container's own search for the name, which is linear: duplicates are
    // found at the object's end.
    Json* place(Json value) {
        if (open_.empty()) {
            root = std::move(value);
            return &root;
        }
        Json& parent = *open_.back();
        if (parent.is_array()) {
            auto& items = parent.get_ref<Json::array_t&>();
            items.push_back(std::move(value));
            return &items.back();
        }
        auto& members = parent.get_ref<Json::object_t&>();
        members.emplace_back(std::move(key_), std::move(value));
        return &members.back().second;
    }

    bool add(Json value) {
        if (!count()) return false;
        place(std::move(value));
        return true;
    }

    bool open(Json value) {
        if (open_.size() >= limits_.depth) return fail("nested too deeply");
        if (!count()) return false;
        // Pointers stay valid: a container grows only after the value opened last in it has been closed.
        open_.push_back(place(std::move(value)));
        return true;
    }

    JsonLimits limits_;
    std::size_t nodes_ = 0;
    std::string key_;
    std::vector<Json*> open_;
    std::vector<std::string_view> names_;
};

}  // namespace

Result<Json> read_json(std::string_view text, const JsonLimits& limits) {
    if (text.substr(0, 3) == "\xEF\xBB\xBF") return Error{ErrorCode::invalid, "not JSON at byte 1: byte order mark"};
    Builder builder(limits);
    if (!Json::sax_parse(text.begin(), text.end(), &builder)) return Error{ErrorCode::invalid, builder.failure};
    // Json converts to everything, so the alternative must be named.
    return Result<Json>(boost::system::in_place_value, std::move(builder.root));
}

}  // namespace persistproc::mcp

#include "common/mcp/json_reader.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <boost/container/small_vector.hpp>
#include <boost/json/basic_parser_impl.hpp>
#include <boost/json/error.hpp>
#include <charconv>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

namespace persistproc::mcp {

namespace {

namespace bjson = boost::json;
using boost::system::error_code;

/// Makes values of what Boost.JSON's parser finds: it is several times as fast as the reader of nlohmann_json, whose
/// values everybody else here works with.
class Builder {
public:
    explicit Builder(const JsonLimits& limits) : limits_(limits) {}

    // The parser's own bounds; the text's size is bounded by whoever reads it.
    static constexpr std::size_t max_object_size = static_cast<std::size_t>(-1);
    static constexpr std::size_t max_array_size = static_cast<std::size_t>(-1);
    static constexpr std::size_t max_key_size = static_cast<std::size_t>(-1);
    static constexpr std::size_t max_string_size = static_cast<std::size_t>(-1);

    Json root;
    std::string failure;

    bool on_document_begin(error_code&) { return true; }
    bool on_document_end(error_code&) { return true; }
    bool on_object_begin(error_code& error) { return open(Json::value_t::object) || stop(error); }
    bool on_array_begin(error_code& error) { return open(Json::value_t::array) || stop(error); }
    bool on_object_end(std::size_t, error_code& error) { return close_object() || stop(error); }
    bool on_array_end(std::size_t, error_code&) {
        open_.pop_back();
        return true;
    }
    bool on_key_part(bjson::string_view part, std::size_t, error_code&) {
        key_.append(part.data(), part.size());
        return true;
    }
    bool on_key(bjson::string_view rest, std::size_t, error_code& error) {
        key_.append(rest.data(), rest.size());
        return count() || stop(error);
    }
    bool on_string_part(bjson::string_view part, std::size_t, error_code&) {
        text_.append(part.data(), part.size());
        return true;
    }
    bool on_string(bjson::string_view rest, std::size_t, error_code& error) {
        text_.append(rest.data(), rest.size());
        const bool is_added = add(std::move(text_));
        text_.clear();
        return is_added || stop(error);
    }
    bool on_number_part(bjson::string_view part, error_code&) {
        number_.append(part.data(), part.size());
        return true;
    }
    bool on_int64(std::int64_t value, bjson::string_view, error_code& error) {
        number_.clear();
        // As everywhere here, a number without a sign is an unsigned one.
        return (value < 0 ? add(value) : add(static_cast<std::uint64_t>(value))) || stop(error);
    }
    bool on_uint64(std::uint64_t value, bjson::string_view, error_code& error) {
        number_.clear();
        return add(value) || stop(error);
    }
    // Its own double may be off by one unit in the last place, so that the digits are read again.
    bool on_double(double about, bjson::string_view rest, error_code& error) {
        number_.append(rest.data(), rest.size());
        double value = 0;
        const auto [end, failed] = std::from_chars(number_.data(), number_.data() + number_.size(), value);
        bool is_read = failed == std::errc() && end == number_.data() + number_.size();
        // Too small to be told from zero is no error, too large is.
        if (failed == std::errc::result_out_of_range && std::abs(about) < 1) {
            value = 0;
            is_read = true;
        }
        number_.clear();
        return (is_read ? add(value) : fail("number out of range")) || stop(error);
    }
    bool on_bool(bool value, error_code& error) { return add(value) || stop(error); }
    bool on_null(error_code& error) { return add(nullptr) || stop(error); }
    bool on_comment_part(bjson::string_view, error_code&) { return true; }
    bool on_comment(bjson::string_view, error_code&) { return true; }

private:
    static bool stop(error_code& error) {
        error = bjson::error::too_deep;
        return false;
    }

    bool close_object() {
        const auto& members = open_.back()->get_ref<const Json::object_t&>();
        open_.pop_back();
        last_members_ = std::min(members.size(), most_expected_members);
        if (members.size() < 2) return true;
        if (members.size() <= few_members) {
            for (auto each = members.begin() + 1; each != members.end(); ++each)
                for (auto other = members.begin(); other != each; ++other)
                    if (each->first == other->first) return fail(twice_);
            return true;
        }
        names_.clear();
        for (const auto& [name, value] : members) names_.push_back(name);
        std::sort(names_.begin(), names_.end());
        const auto twice = std::adjacent_find(names_.begin(), names_.end());
        if (twice == names_.end()) return true;
        return fail(twice_);
    }

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
    template <class T>
    Json* place(T&& value) {
        if (open_.empty()) {
            root = Json(std::forward<T>(value));
            return &root;
        }
        Json& parent = *open_.back();
        if (parent.is_array()) {
            auto& items = parent.get_ref<Json::array_t&>();
            items.emplace_back(std::forward<T>(value));
            return &items.back();
        }
        auto& members = parent.get_ref<Json::object_t&>();
        members.emplace_back(std::move(key_), std::forward<T>(value));
        key_.clear();
        return &members.back().second;
    }

    template <class T>
    bool add(T&& value) {
        if (!count()) return false;
        place(std::forward<T>(value));
        return true;
    }

    bool open(Json::value_t kind) {
        if (open_.size() >= limits_.depth) return fail("nested too deeply");
        if (!count()) return false;
        // Pointers stay valid: a container grows only after the value opened last in it has been closed.
        Json* const placed = place(kind);
        // Most objects of a request have about so many members, and those of a list as many as the one before; growing
        // to it one by one costs three moves of them all.
        constexpr std::size_t usual_members = 4;
        const bool is_in_list = open_.size() > 0 && open_.back()->is_array();
        if (placed->is_object())
            placed->get_ref<Json::object_t&>().reserve(is_in_list ? std::max(usual_members, last_members_)
                                                                  : usual_members);
        open_.push_back(placed);
        return true;
    }

    static constexpr const char* twice_ = "a member name occurs twice in one object";
    /// Up to so many, comparing each with each costs less than sorting a list of them.
    static constexpr std::size_t few_members = 8;
    static constexpr std::size_t most_expected_members = 32;

    JsonLimits limits_;
    std::size_t nodes_ = 0;
    std::size_t last_members_ = 0;     // of the object closed last
    std::string key_, text_, number_;  // what has come of them so far
    boost::container::small_vector<Json*, 8> open_;
    std::vector<std::string_view> names_;
};

}  // namespace

Result<Json> read_json(std::string_view text, const JsonLimits& limits) {
    if (text.substr(0, 3) == "\xEF\xBB\xBF") return Error{ErrorCode::invalid, "not JSON at byte 1: byte order mark"};
    bjson::parse_options options;
    // Ours, checked by the builder, is told apart from a broken text.
    options.max_depth = limits.depth + 1;
    bjson::basic_parser<Builder> parser(options, limits);
    error_code failed;
    const std::size_t used = parser.write_some(false, text.data(), text.size(), failed);
    Builder& builder = parser.handler();
    const auto rest = failed ? std::string_view() : text.substr(used);
    if (failed || rest.find_first_not_of(" \t\r\n") != std::string_view::npos) {
        if (builder.failure.empty()) builder.failure = fmt::format("not JSON at byte {}", used + 1);
        return Error{ErrorCode::invalid, builder.failure};
    }
    // Json converts to everything, so the alternative must be named.
    return Result<Json>(boost::system::in_place_value, std::move(builder.root));
}

const Json* find_member(const Json& json, std::string_view name) noexcept {
    const auto* members = json.get_ptr<const Json::object_t*>();
    if (members == nullptr) return nullptr;
    for (const auto& [each, value] : *members)
        if (each == name) return &value;
    return nullptr;
}

Json* find_member(Json& json, std::string_view name) noexcept {
    return const_cast<Json*>(find_member(std::as_const(json), name));
}

const std::string* find_text(const Json& json, std::string_view name) noexcept {
    const Json* found = find_member(json, name);
    return found == nullptr ? nullptr : found->get_ptr<const std::string*>();
}

void dismantle(Json& object) {
    if (object.is_object()) object.get_ref<Json::object_t&>().clear();
}

}  // namespace persistproc::mcp

#include "cli/bridge/message_scan.hpp"

#include <array>
#include <cstdint>
#include <nlohmann/json.hpp>

#include "common/mcp/message.hpp"
#include "common/schema/json.hpp"

namespace persistproc::cli::bridge {

namespace {

using schema::Json;

constexpr std::string_view version_key = "io.modelcontextprotocol/protocolVersion";
/// Message, params, _meta: nothing that matters lies deeper.
constexpr std::size_t levels = 3;

std::string_view name_key(std::string_view method) {
    if (method == "tools/call" || method == "prompts/get") return "name";
    if (method == "resources/read") return "uri";
    if (method == "tasks/get" || method == "tasks/update" || method == "tasks/cancel") return "taskId";
    return {};
}

/// One message as it goes by.
struct Seen {
    bool has_id = false, has_method = false, has_answer = false, has_error = false;
    bool is_modern = false;
    std::string id = "null";
    std::string method, cancelled_id;
    std::optional<std::string> version, name, uri, task;
};

/// Follows the parser (SAX) and notes what lies where it is looked for.
class Scanner {
public:
    using number_integer_t = Json::number_integer_t;
    using number_unsigned_t = Json::number_unsigned_t;
    using number_float_t = Json::number_float_t;
    using string_t = Json::string_t;
    using binary_t = Json::binary_t;

    bool null() { return value({}, nullptr); }
    bool boolean(bool) { return value({}, nullptr); }
    bool number_integer(number_integer_t number) { return value(std::to_string(number), nullptr); }
    bool number_unsigned(number_unsigned_t number) { return value(std::to_string(number), nullptr); }
    bool number_float(number_float_t, const string_t&) { return value({}, nullptr); }
    bool string(string_t& text) { return value({}, &text); }
    bool binary(binary_t&) { return value({}, nullptr); }
    bool start_object(std::size_t) {
        value({}, nullptr);
        open(true);
        if (depth() == 1) now_ = Seen();
        return true;
    }
    bool start_array(std::size_t) {
        value({}, nullptr);
        if (total_ == 0) {
            is_batch = true;
            ++total_;
            return true;
        }
        open(false);
        return true;
    }
    bool key(string_t& text) {
        if (depth() <= levels) keys_[depth()] = text;
        return true;
    }
    bool end_object() {
        if (depth() == 1) messages.push_back(std::move(now_));
        --total_;
        return true;
    }
    bool end_array() {
        --total_;
        return true;
    }
    bool parse_error(std::size_t, const std::string&, const nlohmann::detail::exception&) { return false; }

    bool is_batch = false;
    std::vector<Seen> messages;

private:
    /// How many containers of the message are open.
    std::size_t depth() const { return is_batch ? total_ - 1 : total_; }

    void open(bool is_object) {
        ++total_;
        if (depth() > levels) return;
        is_object_[depth()] = is_object;
        keys_[depth()].clear();
    }

    /// A value begins. `number`: its text when it is an integer; `text` when it is a string.
    bool value(const std::string& number, const std::string* text) {
        const std::size_t at = depth();
        if (at == 0 || at > levels) return true;
        for (std::size_t level = 1; level <= at; ++level)
            if (!is_object_[level]) return true;
        const std::string& name = keys_[at];
        if (at == 1) top(name, number, text);
        if (at == 2 && keys_[1] == "params") parameter(name, number, text);
        if (at == 3 && keys_[1] == "params" && keys_[2] == "_meta" && name == version_key) {
            now_.is_modern = true;
            if (text != nullptr) now_.version = *text;
        }
        return true;
    }

    static std::string id_text(const std::string& number, const std::string* text) {
        std::string id = number;
        if (text != nullptr) mcp::append_quoted(id, *text);
        return id.empty() ? "null" : id;
    }

    void top(const std::string& name, const std::string& number, const std::string* text) {
        if (name == "id") {
            now_.has_id = true;
            now_.id = id_text(number, text);
        } else if (name == "method" && text != nullptr) {
            now_.has_method = true;
            now_.method = *text;
        } else if (name == "result" || name == "error") {
            now_.has_answer = true;
            now_.has_error = name == "error";
        }
    }

    void parameter(const std::string& name, const std::string& number, const std::string* text) {
        if (name == "requestId") now_.cancelled_id = id_text(number, text);
        if (text == nullptr) return;
        if (name == "name") now_.name = *text;
        if (name == "uri") now_.uri = *text;
        if (name == "taskId") now_.task = *text;
    }

    std::size_t total_ = 0;
    std::array<bool, levels + 1> is_object_{};
    std::array<std::string, levels + 1> keys_;
    Seen now_;
};

MessageKind kind_of(const Seen& seen) {
    if (seen.has_method) return seen.has_id ? MessageKind::request : MessageKind::notification;
    return seen.has_answer ? MessageKind::response : MessageKind::not_a_message;
}

}  // namespace

ScannedMessage scan_message(std::string_view text) {
    ScannedMessage out;
    Scanner scanner;
    if (!Json::sax_parse(text.begin(), text.end(), &scanner)) return out;
    if (scanner.is_batch) {
        out.kind = MessageKind::batch;
        for (const auto& each : scanner.messages)
            if (kind_of(each) == MessageKind::request) out.batch_ids.push_back(each.id);
        return out;
    }
    out.kind = MessageKind::not_a_message;
    out.id = "null";
    if (scanner.messages.empty()) return out;
    Seen& seen = scanner.messages.front();
    out.kind = kind_of(seen);
    out.id = std::move(seen.id);
    out.is_modern = seen.is_modern;
    out.version = std::move(seen.version);
    out.is_error = seen.has_error;
    if (seen.method == "notifications/cancelled") out.cancelled_id = std::move(seen.cancelled_id);
    const std::string_view key = name_key(seen.method);
    if (key == "name") out.name = std::move(seen.name);
    if (key == "uri") out.name = std::move(seen.uri);
    if (key == "taskId") out.name = std::move(seen.task);
    out.method = std::move(seen.method);
    return out;
}

}  // namespace persistproc::cli::bridge

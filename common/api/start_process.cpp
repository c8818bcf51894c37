#include "common/api/start_process.hpp"

#include "common/base/text.hpp"

namespace persistproc::api {

namespace {

/// Replaces every string of the request that may hold any byte; false when `convert` gave nothing for one.
template <class Convert>
bool convert_all(StartRequest& request, Convert convert) {
    const auto one = [&](std::string& text) {
        std::optional<std::string> converted = convert(text);
        if (!converted) return false;
        text = std::move(*converted);
        return true;
    };
    bool fine = one(request.working_directory);
    if (request.command.line) fine = one(*request.command.line) && fine;
    for (auto& word : request.command.words) fine = one(word) && fine;
    if (request.base_environment)
        for (auto& entry : *request.base_environment) fine = one(entry) && fine;
    std::map<std::string, std::string> environment;
    for (const auto& entry : request.environment) {
        std::string name = entry.first;
        std::string value = entry.second;
        fine = one(name) && one(value) && fine;
        environment.emplace(std::move(name), std::move(value));
    }
    request.environment = std::move(environment);
    return fine;
}

}  // namespace

void carry_bytes(StartRequest& request) {
    StartRequest same = request;
    const bool all_text = convert_all(same, [](const std::string& text) {
        return base::is_utf8(text) ? std::optional<std::string>(text) : std::nullopt;
    });
    if (all_text) return;
    convert_all(request, [](const std::string& text) { return std::optional<std::string>(base::bytes_to_text(text)); });
    request.bytes_as_text = true;
}

Result<void> restore_bytes(StartRequest& request) {
    if (!request.bytes_as_text) return boost::system::in_place_value;
    if (!convert_all(request, [](const std::string& text) { return base::text_to_bytes(text); }))
        return Error{ErrorCode::invalid, "bytes_as_text: a string holds more than bytes"};
    request.bytes_as_text = false;
    return boost::system::in_place_value;
}

}  // namespace persistproc::api

namespace persistproc::schema {

Json CustomCodec<api::CommandArgument>::schema() {
    Json either = Json::array();
    either.push_back(Json{{"type", "string"}});
    either.push_back(Json{{"type", "array"}, {"items", Json{{"type", "string"}}}});
    return Json{{"anyOf", std::move(either)}};
}

Result<api::CommandArgument> CustomCodec<api::CommandArgument>::read(const Json& json, const std::string& path) {
    api::CommandArgument out;
    if (json.is_string()) {
        out.line = json.get<std::string>();
        return out;
    }
    if (!json.is_array()) return detail::wrong_type(path, "string or array of strings", json);
    auto words = schema::read<std::vector<std::string>>(json, path);
    if (!words) return words.error();
    out.words = std::move(*words);
    return out;
}

Json CustomCodec<api::CommandArgument>::write(const api::CommandArgument& command) {
    if (command.line) return *command.line;
    return to_json(command.words);
}

}  // namespace persistproc::schema

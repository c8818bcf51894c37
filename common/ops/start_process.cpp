#include "common/ops/start_process.hpp"

#include "common/base/text.hpp"
#include "common/schema/codec.hpp"

namespace persistproc::ops {

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
    bool fine = one(request.definition.working_directory);
    for (auto& word : request.definition.command) fine = one(word) && fine;
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

Result<void> StartRequest::finish_reading(const schema::Json& arguments) {
    auto& command = definition.command;
    if (definition.shell) {
        if (command.size() != 1) return Error{ErrorCode::invalid, "shell: needs command as one string"};
    } else if (arguments["command"].is_string()) {
        auto words = domain::split_command(command.front());
        if (!words) return words.error();
        command = std::move(*words);
    }
    for (const auto& limit : limits)
        if (limit.size() != 3) return Error{ErrorCode::invalid, "limits: expected [resource, soft, hard]"};
    definition.label_given = !definition.label.empty();
    return restore_bytes(*this);
}

}  // namespace persistproc::ops

PERSISTPROC_REQUEST_CODECS(, persistproc::ops::StartRequest)
PERSISTPROC_ANSWER_CODECS(, persistproc::ops::StartResponse)

#pragma once
/// Variables, arguments and directories are bytes, JSON is text: how a request carries them. For the sources of
/// requests.
#include <optional>
#include <string>
#include <utility>

#include "common/base/text.hpp"
#include "common/domain/process.hpp"

namespace persistproc::ops::detail {

/// Replaces every string of a request that may hold any byte; false when `convert` gave nothing for one.
template <class Request, class Convert>
bool convert_all(Request& request, Convert convert) {
    const auto one = [&](std::string& text) {
        std::optional<std::string> converted = convert(text);
        if (!converted) return false;
        text = std::move(*converted);
        return true;
    };
    bool fine = true;
    if constexpr (requires { request.definition; }) {
        fine = one(request.definition.working_directory);
        for (auto& word : request.definition.command) fine = one(word) && fine;
    }
    if (request.base_environment)
        for (auto& entry : *request.base_environment) fine = one(entry) && fine;
    domain::Environment environment;
    for (const auto& entry : request.environment) {
        std::string name = entry.first;
        std::string value = entry.second;
        fine = one(name) && one(value) && fine;
        environment.emplace(std::move(name), std::move(value));
    }
    request.environment = std::move(environment);
    return fine;
}

template <class Request>
void carry(Request& request) {
    Request same = request;
    const bool all_text = convert_all(same, [](const std::string& text) {
        return base::is_utf8(text) ? std::optional<std::string>(text) : std::nullopt;
    });
    if (all_text) return;
    convert_all(request, [](const std::string& text) { return std::optional<std::string>(base::bytes_to_text(text)); });
    request.bytes_as_text = true;
}

template <class Request>
Result<void> restore(Request& request) {
    if (!request.bytes_as_text) return boost::system::in_place_value;
    if (!convert_all(request, [](const std::string& text) { return base::text_to_bytes(text); }))
        return Error{ErrorCode::invalid, "bytes_as_text: a string holds more than bytes"};
    request.bytes_as_text = false;
    return boost::system::in_place_value;
}

}  // namespace persistproc::ops::detail

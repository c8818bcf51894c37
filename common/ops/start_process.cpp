#include "common/ops/start_process.hpp"

#include "common/ops/bytes_as_text.hpp"
#include "common/schema/codec.hpp"

namespace persistproc::ops {

Result<void> StartRequest::check_terminal() const {
    if (definition.size && definition.input != domain::Input::tty)
        return Error{ErrorCode::invalid, "size: is that of a terminal; give tty, too"};
    return {};
}

void carry_bytes(StartRequest& request) { detail::carry(request); }
Result<void> restore_bytes(StartRequest& request) { return detail::restore(request); }

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
    if (tty) definition.input = domain::Input::tty;
    if (auto fine = check_terminal(); !fine) return fine;
    definition.label_given = !definition.label.empty();
    const auto restart = arguments.find("restart");
    if (restart != arguments.end() && restart->is_string() && !definition.restart_limit) {
        const auto choice = domain::parse_restart(restart->get_ref<const std::string&>());
        if (choice) definition.restart_limit = choice->limit;
    }
    // An agent types what it sends; our own client, which sends more, says itself what was typed.
    if (!base_environment && said.empty()) {
        domain::Definition::fields([&](const auto& f) {
            // One argument says both of a policy and its limit.
            const std::string name = std::string_view(f.name) == "restart_limit" ? "restart" : f.name;
            const auto given = arguments.find(name);
            if (given != arguments.end() && !given->is_null()) said.emplace_back(f.name);
        });
    }
    return restore_bytes(*this);
}

}  // namespace persistproc::ops

PERSISTPROC_REQUEST_CODECS(, persistproc::ops::StartRequest)
PERSISTPROC_ANSWER_CODECS(, persistproc::ops::StartResponse)

#include <algorithm>

#include "common/base/size.hpp"
#include "common/base/time.hpp"
#include "common/domain/process.hpp"
#include "common/schema/codec.hpp"

PERSISTPROC_ANSWER_CODECS(, persistproc::domain::ProcessView)
PERSISTPROC_DOCUMENT_CODECS(, persistproc::domain::Definition)

namespace persistproc::domain {

namespace {

using schema::Json;

Json command_schema() {
    Json either = Json::array();
    either.push_back(Json{{"type", "string"}});
    either.push_back(Json{{"type", "array"}, {"items", Json{{"type", "string"}}}});
    return Json{{"anyOf", std::move(either)}};
}
Result<std::vector<std::string>> read_command(const Json& json, const std::string& path) {
    if (json.is_string()) return std::vector<std::string>{json.get<std::string>()};
    if (!json.is_array()) return schema::detail::wrong_type(path, "string or array of strings", json);
    return schema::read<std::vector<std::string>>(json, path);
}
Json write_command(const std::vector<std::string>& command) { return schema::to_json(command); }

Json signal_schema() { return Json{{"type", "string"}}; }
Result<int> read_signal(const Json& json, const std::string& path) {
    if (!json.is_string()) return schema::detail::wrong_type(path, "string", json);
    auto signal = parse_signal(json.get_ref<const std::string&>());
    if (!signal) return base::with_context(signal.error(), path);
    return signal;
}
Json write_signal(const int& signal) { return signal_name(signal); }

Json seconds_schema() { return Json{{"type", "number"}}; }
Result<double> read_seconds(const Json& json, const std::string& path) {
    if (json.is_string()) {
        const auto duration = base::parse_duration(json.get_ref<const std::string&>());
        if (!duration) return base::with_context(duration.error(), path);
        return std::chrono::duration<double>(*duration).count();
    }
    return schema::read<double>(json, path);
}
Json write_seconds(const double& seconds) { return seconds; }
Result<std::optional<double>> read_some_seconds(const Json& json, const std::string& path) {
    auto seconds = read_seconds(json, path);
    if (!seconds) return seconds.error();
    return std::optional<double>(*seconds);
}
Json write_some_seconds(const std::optional<double>& seconds) { return seconds ? Json(*seconds) : Json(); }

Json bytes_schema() { return Json{{"type", "integer"}}; }
Result<std::int64_t> read_bytes(const Json& json, const std::string& path) {
    if (!json.is_string()) return schema::read<std::int64_t>(json, path);
    const auto size = base::parse_size(json.get_ref<const std::string&>());
    if (!size) return base::with_context(size.error(), path);
    return static_cast<std::int64_t>(*size);
}
Json write_bytes(const std::int64_t& bytes) { return bytes; }

Json run_schema() { return Json{{"type", "string"}}; }
Result<std::optional<std::string>> read_run(const Json& json, const std::string& path) {
    if (json.is_number_unsigned()) return std::optional(json.dump());
    return schema::read<std::optional<std::string>>(json, path);
}
Json write_run(const std::optional<std::string>& run) { return run ? Json(*run) : Json(); }

Json restart_schema() { return Json{{"type", "string"}}; }
Result<RestartPolicy> read_restart(const Json& json, const std::string& path) {
    if (!json.is_string()) return schema::detail::wrong_type(path, "string", json);
    const auto choice = parse_restart(json.get_ref<const std::string&>());
    if (!choice) return base::with_context(choice.error(), path);
    return choice->policy;
}
Json write_restart(const RestartPolicy& policy) { return std::string(schema::enum_name(policy)); }

}  // namespace

const schema::Form<std::vector<std::string>> command_form{command_schema, read_command, write_command};
const schema::Form<int> signal_form{signal_schema, read_signal, write_signal};
const schema::Form<double> seconds_form{seconds_schema, read_seconds, write_seconds};
const schema::Form<std::optional<double>> optional_seconds_form{seconds_schema, read_some_seconds, write_some_seconds};
const schema::Form<std::int64_t> bytes_form{bytes_schema, read_bytes, write_bytes};
const schema::Form<std::optional<std::string>> run_form{run_schema, read_run, write_run};
const schema::Form<RestartPolicy> restart_form{restart_schema, read_restart, write_restart};

bool is_live(const ProcessView& view) noexcept {
    const auto known = view.state.known();
    return known ? is_live(*known) : view.pid.has_value() && !view.ended_at;
}

bool has_ended(const ProcessView& view) noexcept {
    const auto known = view.state.known();
    return known ? has_ended(*known) : !is_live(view);
}

bool has_tree(const ProcessView& view) noexcept {
    return is_live(view) || std::any_of(view.causes.begin(), view.causes.end(),
                                        [](const Cause& each) { return each.code == CauseCode::left_running; });
}

}  // namespace persistproc::domain

#include "common/ops/wait_spec.hpp"

#include "common/schema/codec.hpp"

namespace persistproc::ops {

Result<void> WaitSpec::finish_reading(const schema::Json& arguments) {
    if (arguments.contains("until")) return {};
    if (pattern)
        until = WaitCondition::pattern;
    else if (port)
        until = WaitCondition::port;
    else if (quiet_seconds)
        until = WaitCondition::quiet;
    return {};
}

namespace {

schema::Json wait_schema() { return {{"type", "object"}}; }

Result<std::optional<WaitSpec>> read_wait(const schema::Json& json, const std::string& path) {
    if (json.is_null()) return std::optional<WaitSpec>();
    // Of something that is started to stay, nobody waits for the end without saying so.
    if (json.is_object() && json.empty())
        return Error{ErrorCode::invalid, path + ": says nothing; give a pattern, port, quiet_seconds or until"};
    auto spec = schema::read<WaitSpec>(json, path);
    if (!spec) return spec.error();
    return std::optional<WaitSpec>(std::move(*spec));
}

schema::Json write_wait(const std::optional<WaitSpec>& spec) {
    return spec ? schema::to_arguments(*spec) : schema::Json();
}

}  // namespace

constexpr schema::Form<std::optional<WaitSpec>> wait_form{&wait_schema, &read_wait, &write_wait};

}  // namespace persistproc::ops

PERSISTPROC_REQUEST_CODECS(, persistproc::ops::WaitSpec)

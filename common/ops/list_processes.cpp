#include "common/ops/list_processes.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "common/base/text.hpp"
#include "common/schema/codec.hpp"

namespace persistproc::ops {

namespace {

using domain::ProcessState;
using State = std::optional<schema::Open<ProcessState>>;

schema::Json state_schema() { return schema::detail::words_schema(schema::detail::words_of<ProcessState>()); }
Result<State> read_state(const schema::Json& json, const std::string& path) {
    auto word = schema::read<std::string>(json, path);
    if (!word) return word.error();
    // As flags are written.
    std::replace(word->begin(), word->end(), '-', '_');
    return State(schema::Open<ProcessState>::from_word(*word));
}
schema::Json write_state(const State& state) {
    return state ? schema::Json(std::string(state->word())) : schema::Json();
}

using Views = std::vector<domain::ProcessView>;

schema::Json columns_schema() { return schema::detail::type_schema("object"); }
Result<Views> read_columns(const schema::Json& json, const std::string& path) {
    return schema::read_columns<domain::ProcessView>(json, path);
}
schema::Json write_columns(const Views& views) { return schema::to_columns(views); }

}  // namespace

const schema::Form<State> state_form{state_schema, read_state, write_state};
const schema::Form<Views> columns_form{columns_schema, read_columns, write_columns};

Error unknown_state(const schema::Open<ProcessState>& state) {
    return Error{ErrorCode::invalid, fmt::format("state: \"{}\" is not one of {}", base::excerpt(state.word()),
                                                 fmt::join(schema::detail::words_of<ProcessState>(), ", "))};
}

}  // namespace persistproc::ops

PERSISTPROC_REQUEST_CODECS(, persistproc::ops::ListRequest)
PERSISTPROC_ANSWER_CODECS(, persistproc::ops::ListResponse)
PERSISTPROC_ANSWER_CODECS(, persistproc::ops::ListTable)

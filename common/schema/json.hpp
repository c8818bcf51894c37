#pragma once
/// JSON values and the codecs of structs by name. Sources that work with values include this; headers only name the
/// type (field.hpp), because nlohmann's header costs seconds in every source it reaches.
#include <nlohmann/json.hpp>

#include "common/schema/field.hpp"

// Compiled once, in json.cpp.
extern template class nlohmann::basic_json<nlohmann::ordered_map>;

namespace persistproc::schema {

/// One JSON text that was kept or typed; `is_discarded()` where it is none, or is nested deeper than any of ours, which
/// whatever walks over values calls itself for. Pure.
Json parse_json(std::string_view text);

}  // namespace persistproc::schema

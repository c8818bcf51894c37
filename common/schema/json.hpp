#pragma once
/// JSON values and the codecs of structs by name. Sources that work with values include this; headers only name the
/// type (field.hpp), because nlohmann's header costs seconds in every source it reaches.
#include <nlohmann/json.hpp>

#include "common/schema/field.hpp"

// Compiled once, in json.cpp.
extern template class nlohmann::basic_json<nlohmann::ordered_map>;

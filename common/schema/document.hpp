#pragma once
/// What is kept on disk of a struct: JSON text of its fields that are `in_documents`. Nothing of what a newer version
/// wrote is lost by an older one: members and enumerators it does not know are kept in the struct's `unknown` and
/// written back. Texts may hold any byte. Include codec.hpp where a struct's documents are instantiated, this
/// elsewhere.
#include <string>
#include <string_view>

#include "common/schema/field.hpp"

namespace persistproc::schema {

/// One line without a newline at its end; valid UTF-8.
template <HasFields S>
std::string to_document(const S& value);

/// Members that are absent keep their defaults. Errors: corrupt (no JSON object, a value of another type), naming the
/// member.
template <HasFields S>
Result<S> read_document(std::string_view text);

}  // namespace persistproc::schema

/// As PERSISTPROC_REQUEST_CODECS.
#define PERSISTPROC_DOCUMENT_CODECS(prefix, T)                                       \
    prefix template std::string persistproc::schema::to_document<T>(const T& value); \
    prefix template persistproc::base::Result<T> persistproc::schema::read_document<T>(std::string_view text);

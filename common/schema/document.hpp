#pragma once
/// What is kept on disk of a struct: JSON text of its fields that are `in_documents`. Nothing of what a newer version
/// wrote is lost by an older one: members it does not know, and values it cannot read (another type, a word of an
/// enumeration that came later, a number beyond the field's bounds), are kept in the struct's `unknown` and written
/// back. A member that cannot be read has its default here; the value of the document stays until the member is given
/// another one, or its default on purpose (forget_unread). Texts may hold any byte, times are nanoseconds since 1970.
/// Include codec.hpp where a struct's documents are instantiated, this elsewhere.
#include <optional>
#include <string>
#include <string_view>

#include "common/schema/field.hpp"

namespace persistproc::schema {

/// One line without a newline at its end; valid UTF-8.
template <HasFields S>
std::string to_document(const S& value);

/// Members that are absent keep their defaults. Errors: corrupt (no JSON object; in a struct that keeps no unknown
/// members, a value of another type).
template <HasFields S>
Result<S> read_document(std::string_view text);

/// Gives up what could not be read of the members that this version knows: all of them have been decided anew.
template <HasFields S>
void forget_unread(S& value) {
    S::fields([&value](const auto& each) { value.unknown.forget(each.name); });
}

/// The word of an enumeration that stands in a document for a member whose value this version does not know. Nothing:
/// there is none.
std::optional<std::string> unread_word(const Unknown& unknown, std::string_view name);

}  // namespace persistproc::schema

/// As PERSISTPROC_REQUEST_CODECS.
#define PERSISTPROC_DOCUMENT_CODECS(prefix, T)                                       \
    prefix template std::string persistproc::schema::to_document<T>(const T& value); \
    prefix template persistproc::base::Result<T> persistproc::schema::read_document<T>(std::string_view text);

#pragma once
/// toml++ as it is included here: without exceptions, and without what it takes for granted of a text. Behind "[" it
/// assumes the beginning of a key: it ends the program where something else stands, or with NDEBUG lets the compiler
/// leave out its refusal.
#define TOML_EXCEPTIONS 0
#include <toml++/impl/preprocessor.h>
#undef TOML_ASSERT_ASSUME
#define TOML_ASSERT_ASSUME(expr) static_assert(true)
#include <toml++/toml.h>

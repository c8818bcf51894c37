#pragma once
/// Catch2 as Debian 12 (v2) and later distributions (v3) have it.
#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
#else
#include <catch2/catch.hpp>
#endif

#include "common/base/result.hpp"

/// A failed CHECK shows the error of a result, not its bytes.
template <class T>
struct Catch::StringMaker<boost::system::result<T, persistproc::Error>> {
    static std::string convert(const boost::system::result<T, persistproc::Error>& result) {
        return result ? "a value" : "error: " + result.error().message;
    }
};

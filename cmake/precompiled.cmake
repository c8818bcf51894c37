# Headers that most sources of a kind include anyway, parsed once instead of in each of them. Sources still include what
# they use: PERSISTPROC_PRECOMPILE=OFF builds without, which is how a missing include shows.
option(PERSISTPROC_PRECOMPILE "Precompile the headers that most sources include" ON)

set(precompiled_std <algorithm> <array> <chrono> <cstdint> <cstring> <deque> <filesystem> <functional> <map> <memory>
  <optional> <set> <string> <string_view> <tuple> <unordered_map> <utility> <variant> <vector> <fmt/format.h>
  <boost/system/result.hpp>)
set(precompiled_async ${precompiled_std} <boost/asio/any_io_executor.hpp> <boost/asio/awaitable.hpp>
  <boost/asio/co_spawn.hpp> <boost/asio/experimental/awaitable_operators.hpp> <boost/asio/post.hpp>
  <boost/asio/redirect_error.hpp> <boost/asio/steady_timer.hpp> <boost/asio/thread_pool.hpp>
  <boost/asio/use_awaitable.hpp> <nlohmann/json.hpp>)

set(precompiled_tests_std ${precompiled_std} "${CMAKE_SOURCE_DIR}/tests/support/catch.hpp")
set(precompiled_tests_async ${precompiled_async} "${CMAKE_SOURCE_DIR}/tests/support/catch.hpp")

# persistproc_precompile(TARGET KIND): KIND is std or async, or one of these with tests_ before it. Targets of one kind
# share one file, so their options and the definitions that these headers read must be the same.
function(persistproc_precompile target kind)
  if(NOT PERSISTPROC_PRECOMPILE)
    return()
  endif()
  set(owner persistproc_precompiled_${kind})
  if(NOT TARGET ${owner})
    file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/${owner}.cpp CONTENT "")
    add_library(${owner} OBJECT ${CMAKE_BINARY_DIR}/${owner}.cpp)
    target_link_libraries(${owner} PRIVATE Boost::headers persistproc::fmt)
    target_include_directories(${owner} PRIVATE ${CMAKE_SOURCE_DIR})
    if(kind MATCHES "async$")
      target_link_libraries(${owner} PRIVATE persistproc::asio nlohmann_json::nlohmann_json)
    endif()
    if(kind MATCHES "^tests_")
      # Compiled as the sources of executables are.
      set_target_properties(${owner} PROPERTIES POSITION_INDEPENDENT_CODE OFF)
      target_compile_options(${owner} PRIVATE -fPIE)
      target_link_libraries(${owner} PRIVATE Catch2::Catch2)
      persistproc_test_options(${owner})
    endif()
    target_precompile_headers(${owner} PRIVATE ${precompiled_${kind}})
  endif()
  target_precompile_headers(${target} REUSE_FROM ${owner})
endfunction()

# persistproc_precompile_for(TARGET PREFIX folder…): the kind follows from the folders that the target may include:
# whatever reaches Asio has JSON, too. PREFIX is tests_ or empty.
function(persistproc_precompile_for target prefix)
  set(kind std)
  foreach(each ${ARGN})
    if(each MATCHES "^(common/async|common/mcp|daemon|cli)")
      set(kind async)
    endif()
  endforeach()
  persistproc_precompile(${target} ${prefix}${kind})
endfunction()

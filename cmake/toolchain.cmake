# Warnings, hardening and sanitizers, applied to every target of the project.
add_compile_options(-Wall -Wextra -Wshadow -Wconversion -Wnon-virtual-dtor -Wimplicit-fallthrough)
if(PERSISTPROC_WERROR)
  add_compile_options(-Werror)
endif()
if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  # Clang 14 knows aggregate field initialisation as a missing one, and Debian's flags as unused.
  add_compile_options(-Wno-missing-field-initializers -Wno-unused-command-line-argument)
else()
  # GCC counts a member with a default initialiser as missing in a designated list.
  add_compile_options(-Wno-missing-field-initializers)
  # GCC 12 takes Asio's coroutine frames, whose operator new and delete it inlines, for mismatched pairs.
  add_compile_options(-Wno-mismatched-new-delete)
  # It misjudges joined strings when it has inlined them (GCC bugs 105329 and 105651). In headers of the library that is
  # silenced by itself, but not in precompiled ones.
  add_compile_options(-Wno-array-bounds -Wno-restrict -Wno-stringop-overflow -Wno-stringop-overread)
  # It collects its garbage at each 128 MiB, which takes a tenth of its time where several sources are compiled as one.
  add_compile_options("SHELL:--param ggc-min-heapsize=524288")
endif()

if(PERSISTPROC_UNITY AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # What stands in an anonymous namespace of an included source looks like a header's to GCC.
  add_compile_options(-Wno-subobject-linkage)
endif()

if(PERSISTPROC_UNITY AND CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  # A parameter may be named as what stands in the anonymous namespace of another source.
  add_compile_options(-Wno-shadow)
endif()

if(PERSISTPROC_KILL_POINTS)
  add_compile_definitions(PERSISTPROC_KILL_POINTS)
endif()

if(PERSISTPROC_FUZZ)
  if(NOT CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
    message(FATAL_ERROR "PERSISTPROC_FUZZ needs Clang, whose libFuzzer the targets are linked with")
  endif()
  # What libFuzzer goes by; its own main is linked to its targets alone.
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()

set(CMAKE_CXX_FLAGS_RELEASE "-O2 -g1 -DNDEBUG")
set(CMAKE_CXX_FLAGS_DEBUG "-O0 -g1")
if(PERSISTPROC_SANITIZE)
  # Lines are what a report shows; variables would cost a fifth of the build, and the optimiser a third.
  set(CMAKE_CXX_FLAGS_DEBUG "-O0 -g1")
elseif(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  # It is there for its warnings and its other reading of the language.
  set(CMAKE_CXX_FLAGS_DEBUG "-O0 -g1")
endif()
if(PERSISTPROC_FUZZ)
  # Executions a second are what is paid for: the optimiser gives several times as many.
  set(CMAKE_CXX_FLAGS_DEBUG "-O1 -g1")
endif()
if(PERSISTPROC_SANITIZE)
  add_compile_options(-fsanitize=${PERSISTPROC_SANITIZE} -fno-omit-frame-pointer)
  # Clang 14 cannot emit what it needs for coroutines: "Cannot represent a difference across sections".
  if(PERSISTPROC_FUZZ)
    add_compile_options(-fno-sanitize=function)
  endif()
  add_link_options(-fsanitize=${PERSISTPROC_SANITIZE})
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # Instrumented code hides from GCC's flow analysis what a variant holds; UBSan looks at run time instead.
    add_compile_options(-Wno-maybe-uninitialized)
    if(PERSISTPROC_SANITIZE MATCHES "undefined")
      # Before each access to a member: a quarter of the build and two fifths of the code. A null pointer is a report of
      # ASan's all the same; the fuzz targets, where bytes become objects, keep all three.
      add_compile_options(-fno-sanitize=null,vptr,alignment)
    endif()
    if(PERSISTPROC_SANITIZE MATCHES "address")
      # A client has 2.4 million addresses to relocate at each start otherwise: 160 ms instead of 70, thousands of times.
      add_link_options(-no-pie)
    endif()
  endif()
  if(PERSISTPROC_SANITIZE MATCHES "undefined")
    add_compile_options(-fno-sanitize-recover=undefined)
  endif()
  if(PERSISTPROC_SANITIZE MATCHES "thread" AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    add_compile_options(-Wno-tsan)  # Asio's fences are not understood; its locks are
  endif()
elseif(CMAKE_BUILD_TYPE STREQUAL "Release")
  add_compile_options(-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3 -D_GLIBCXX_ASSERTIONS -fstack-protector-strong
    -fstack-clash-protection -fcf-protection=full)
  add_link_options(-Wl,-z,relro,-z,now,-z,noexecstack)
  include(CheckPIESupported)
  check_pie_supported()
endif()

find_program(PERSISTPROC_CCACHE ccache)
if(PERSISTPROC_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env CCACHE_SLOPPINESS=pch_defines,time_macros ${PERSISTPROC_CCACHE})
endif()

# Run at each build: writes the source OUTPUT, which tells the commit that SOURCE is of, when that has changed.
# A tree that is no checkout has none; "+" behind it: tracked files differ from it.
execute_process(COMMAND git -C ${SOURCE} describe --always --abbrev=12 --exclude=* --dirty=+
  OUTPUT_VARIABLE commit OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET RESULT_VARIABLE failed)
if(failed)
  set(commit "")
endif()
set(text "#include \"common/base/version.hpp\"\n
std::string_view persistproc::base::commit() noexcept { return \"${commit}\"; }\n")
if(EXISTS ${OUTPUT})
  file(READ ${OUTPUT} before)
endif()
if(NOT text STREQUAL "${before}")
  file(WRITE ${OUTPUT} "${text}")
endif()

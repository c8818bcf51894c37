# Where installed files lie. The client finds daemon and keeper from its own place: ../libexec/persistproc.
include(GNUInstallDirs)
# Symbols are for those who build; an installed program has none.
install(CODE "set(CMAKE_INSTALL_DO_STRIP TRUE)")
set(persistproc_libexec ${CMAKE_INSTALL_LIBEXECDIR}/persistproc)
install(TARGETS persistproc RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(TARGETS persistprocd persistproc-shim RUNTIME DESTINATION ${persistproc_libexec})
# The unit names the daemon's place, which is known only when it is installed.
install(CODE "string(REPLACE % %% libexecdir \"\${CMAKE_INSTALL_PREFIX}/${persistproc_libexec}\")
  configure_file(${CMAKE_SOURCE_DIR}/packaging/persistprocd.service.in ${CMAKE_BINARY_DIR}/persistprocd.service @ONLY)")
install(FILES ${CMAKE_BINARY_DIR}/persistprocd.service DESTINATION ${CMAKE_INSTALL_DATADIR}/systemd/user)
install(FILES README.md LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})
# Manual and completions come from the program itself, so that they say what it does.
install(CODE "set(own ${CMAKE_COMMAND} -E env PERSISTPROC_DATA_DIR=/ ${CMAKE_RUNTIME_OUTPUT_DIRECTORY}/persistproc)
  set(made ${CMAKE_BINARY_DIR}/documents)
  file(MAKE_DIRECTORY \${made})
  execute_process(COMMAND \${own} __document persistproc.1 OUTPUT_FILE \${made}/persistproc.1 COMMAND_ERROR_IS_FATAL ANY)
  execute_process(COMMAND ${CMAKE_RUNTIME_OUTPUT_DIRECTORY}/persistprocd --help COMMAND \${own} __document persistprocd.8
    OUTPUT_FILE \${made}/persistprocd.8 COMMAND_ERROR_IS_FATAL ANY)
  foreach(shell bash zsh fish)
    execute_process(COMMAND \${own} completion \${shell} OUTPUT_FILE \${made}/completion.\${shell} COMMAND_ERROR_IS_FATAL ANY)
  endforeach()")
set(made ${CMAKE_BINARY_DIR}/documents)
install(FILES ${made}/persistproc.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
install(FILES ${made}/persistprocd.8 DESTINATION ${CMAKE_INSTALL_MANDIR}/man8)
install(FILES ${made}/completion.bash DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions RENAME persistproc)
install(FILES ${made}/completion.zsh DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/site-functions RENAME _persistproc)
install(FILES ${made}/completion.fish DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d
  RENAME persistproc.fish)

# The console: ui/ built by esbuild and put into the program as bytes.
#
#   include(Ui)
#   gatehouse_ui(<library>)     after gatehouse_layer(api ...)
#
# Packages are installed once, and again when the lock changes, into
# ui/node_modules, which every build tree shares. Each build tree has its own
# bundle and its own assets.cc, whose table src/api/ui/assets.h declares.

# Debian 12 has Node 18; esbuild asks for no more.
set(GATEHOUSE_NODE_MIN 18)

function(gatehouse_ui library)
  find_program(GATEHOUSE_NODE NAMES node nodejs)
  find_program(GATEHOUSE_NPM NAMES npm)
  if(NOT GATEHOUSE_NODE OR NOT GATEHOUSE_NPM)
    message(FATAL_ERROR
      "The console needs Node.js ${GATEHOUSE_NODE_MIN} or newer and npm to be built, and one of them "
      "is missing. On Debian: apt-get install nodejs npm")
  endif()
  execute_process(COMMAND ${GATEHOUSE_NODE} -p "parseInt(process.versions.node)"
    OUTPUT_VARIABLE node_major OUTPUT_STRIP_TRAILING_WHITESPACE)
  if(NOT node_major GREATER_EQUAL ${GATEHOUSE_NODE_MIN})
    message(FATAL_ERROR
      "The console needs Node.js ${GATEHOUSE_NODE_MIN} or newer; ${GATEHOUSE_NODE} is ${node_major}.")
  endif()

  set(ui ${CMAKE_SOURCE_DIR}/ui)
  set(installed ${ui}/node_modules/.gatehouse-installed)
  set(bundle ${CMAKE_BINARY_DIR}/ui/assets.cc)
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${ui}/src/* ${ui}/style/*)

  add_custom_command(
    OUTPUT ${installed}
    COMMAND ${GATEHOUSE_NPM} ci --ignore-scripts --no-audit --no-fund --loglevel=error
    COMMAND ${CMAKE_COMMAND} -E touch ${installed}
    DEPENDS ${ui}/package.json ${ui}/package-lock.json ${ui}/.npmrc
    WORKING_DIRECTORY ${ui}
    COMMENT "Installing the console's packages"
    VERBATIM)
  add_custom_command(
    OUTPUT ${bundle}
    COMMAND ${GATEHOUSE_NODE} ${ui}/build.mjs --out ${CMAKE_BINARY_DIR}/ui/dist --cc ${bundle}
    DEPENDS ${installed} ${ui}/build.mjs ${ui}/index.html ${ui}/favicon.svg ${sources}
    WORKING_DIRECTORY ${ui}
    COMMENT "Building the console"
    VERBATIM)

  add_library(gatehouse_ui_assets STATIC ${bundle})
  target_link_libraries(gatehouse_ui_assets PRIVATE gatehouse_flags)
  get_target_property(kind ${library} TYPE)
  if(kind STREQUAL "INTERFACE_LIBRARY")
    target_link_libraries(${library} INTERFACE gatehouse_ui_assets)
  else()
    target_link_libraries(${library} PUBLIC gatehouse_ui_assets)
  endif()
endfunction()

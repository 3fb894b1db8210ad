# Every dependency is a Debian package; a missing one is named with the command
# that installs it. Nothing is vendored and nothing is downloaded.

function(gatehouse_missing what package)
  message(FATAL_ERROR "${what} was not found. Install it with:  apt-get install ${package}\n"
                      "(scripts/install-deps installs everything Gatehouse needs.)")
endfunction()

find_package(Threads REQUIRED)

find_path(ASIO_INCLUDE_DIR asio.hpp)
if(NOT ASIO_INCLUDE_DIR)
  gatehouse_missing("Asio (standalone) >= 1.22" libasio-dev)
endif()
add_library(gatehouse::asio INTERFACE IMPORTED)
target_include_directories(gatehouse::asio SYSTEM INTERFACE ${ASIO_INCLUDE_DIR})
target_compile_definitions(gatehouse::asio INTERFACE ASIO_NO_DEPRECATED)

find_package(OpenSSL 3.0 QUIET)
if(NOT OpenSSL_FOUND)
  gatehouse_missing("OpenSSL >= 3.0" libssl-dev)
endif()

find_package(ZLIB 1.2.13 QUIET)
if(NOT ZLIB_FOUND)
  gatehouse_missing("zlib >= 1.2.13" zlib1g-dev)
endif()

find_package(SQLite3 3.40 QUIET)
if(NOT SQLite3_FOUND)
  gatehouse_missing("SQLite >= 3.40" libsqlite3-dev)
endif()

find_package(simdjson 3.0 QUIET CONFIG)
if(NOT simdjson_FOUND)
  gatehouse_missing("simdjson >= 3.0" libsimdjson-dev)
endif()

find_package(PkgConfig QUIET)
if(NOT PkgConfig_FOUND)
  gatehouse_missing("pkg-config" pkg-config)
endif()
pkg_check_modules(SODIUM QUIET IMPORTED_TARGET libsodium>=1.0.18)
if(NOT SODIUM_FOUND)
  gatehouse_missing("libsodium >= 1.0.18" libsodium-dev)
endif()
add_library(gatehouse::sodium ALIAS PkgConfig::SODIUM)

# gatehouse_pkg(<name> <module> <floor> <what> <package>): gatehouse::<name> by pkg-config.
function(gatehouse_pkg name module floor what package)
  pkg_check_modules(GATEHOUSE_${name} QUIET IMPORTED_TARGET GLOBAL "${module}>=${floor}")
  if(NOT GATEHOUSE_${name}_FOUND)
    gatehouse_missing("${what}" ${package})
  endif()
  add_library(gatehouse::${name} ALIAS PkgConfig::GATEHOUSE_${name})
endfunction()

gatehouse_pkg(re2 re2 0.0.0 "RE2 >= 20220601" libre2-dev)  # its .pc states no version
gatehouse_pkg(xxhash libxxhash 0.8.1 "xxHash >= 0.8.1" libxxhash-dev)

find_package(Snappy 1.1.9 QUIET CONFIG)
if(NOT Snappy_FOUND)
  gatehouse_missing("Snappy >= 1.1.9" libsnappy-dev)
endif()
add_library(gatehouse::snappy ALIAS Snappy::snappy)

if(GATEHOUSE_TESTS)
  find_package(GTest 1.12 QUIET CONFIG)
  if(NOT GTest_FOUND)
    gatehouse_missing("GoogleTest >= 1.12" "libgtest-dev libgmock-dev")
  endif()
endif()

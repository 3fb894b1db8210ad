# One library a folder of src/, one test program beside it.
#
#   gatehouse_layer(<folder> [NEEDS <folder>...] [USES <target>...] [PROGRAM <name>])
#
# src/<folder>/**/*.cc except *_test.cc and main.cc become gatehouse_<folder>;
# *_test.cc become the program test_<folder>; main.cc becomes PROGRAM.

include(CTest)
add_custom_target(unit-tests)

add_library(gatehouse_flags INTERFACE)
target_include_directories(gatehouse_flags INTERFACE ${CMAKE_SOURCE_DIR}/src)
target_compile_options(gatehouse_flags INTERFACE
  -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror -fno-omit-frame-pointer)
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  target_compile_options(gatehouse_flags INTERFACE -march=x86-64-v2)
endif()
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # GCC 12 reports false positives inside the standard library with these two.
  target_compile_options(gatehouse_flags INTERFACE -Wno-restrict -Wno-dangling-pointer)
endif()
if(GATEHOUSE_SANITIZE)
  target_compile_options(gatehouse_flags INTERFACE -fsanitize=${GATEHOUSE_SANITIZE})
  target_link_options(gatehouse_flags INTERFACE -fsanitize=${GATEHOUSE_SANITIZE})
endif()
if(GATEHOUSE_SANITIZE MATCHES undefined)
  # A finding ends the program: a test or a fuzz run that only printed it would pass.
  target_compile_options(gatehouse_flags INTERFACE -fno-sanitize-recover=all)
endif()
if(GATEHOUSE_SANITIZE MATCHES thread)
  # Asio's fences are not modelled; its use of them is sound without.
  target_compile_options(gatehouse_flags INTERFACE -Wno-tsan)
endif()
if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang" AND GATEHOUSE_FUZZ)
  target_compile_options(gatehouse_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()

function(gatehouse_layer folder)
  cmake_parse_arguments(LAYER "" "PROGRAM" "NEEDS;USES" ${ARGN})
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/${folder}/*.cc)
  set(tests ${sources})
  list(FILTER tests INCLUDE REGEX "_test\\.cc$")
  list(FILTER sources EXCLUDE REGEX "_test\\.cc$")
  list(FILTER sources EXCLUDE REGEX "/main\\.cc$")

  list(TRANSFORM LAYER_NEEDS PREPEND gatehouse_)
  if(sources)
    add_library(gatehouse_${folder} STATIC ${sources})
    target_link_libraries(gatehouse_${folder} PUBLIC gatehouse_flags ${LAYER_NEEDS} ${LAYER_USES})
  else()
    add_library(gatehouse_${folder} INTERFACE)
    target_link_libraries(gatehouse_${folder} INTERFACE gatehouse_flags ${LAYER_NEEDS} ${LAYER_USES})
  endif()

  if(GATEHOUSE_TESTS AND tests)
    add_executable(test_${folder} ${tests})
    target_link_libraries(test_${folder} PRIVATE gatehouse_${folder} GTest::gmock GTest::gtest_main)
    # Tests are built more often than they run: a quarter less of compile time.
    target_compile_options(test_${folder} PRIVATE $<$<CONFIG:RelWithDebInfo>:-O1>)
    add_dependencies(unit-tests test_${folder})
    add_test(NAME ${folder} COMMAND test_${folder} --gtest_brief=1
             WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
    set_tests_properties(${folder} PROPERTIES TIMEOUT 300)
  endif()

  if(LAYER_PROGRAM)
    add_executable(${LAYER_PROGRAM} ${CMAKE_SOURCE_DIR}/src/${folder}/main.cc)
    target_link_libraries(${LAYER_PROGRAM} PRIVATE gatehouse_${folder})
    set_target_properties(${LAYER_PROGRAM} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR})
  endif()
endfunction()

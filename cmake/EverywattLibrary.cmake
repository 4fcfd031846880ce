# One room of src/: a static library, its warnings and its tests.
#
#   everywatt_library(meter SOURCES loop.cc … TESTS loop_test.cc … DEPENDS sources model)
#
# Tests lie beside the code and become one binary, meter_test.
set(EVERYWATT_WARNINGS -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror)
if(CMAKE_CXX_COMPILER_ID STREQUAL GNU)
  # g++ 12 sees overlaps in inlined std::string that are not there (GCC bug 105651), and with -O3 writes past the end
  # of buffers of fmt.
  list(APPEND EVERYWATT_WARNINGS -Wno-restrict -Wno-stringop-overflow)
else()
  # clang sees a deprecated function inside libstdc++ 12's own stable_sort, and asks
  # for initialisers of members that have defaults.
  list(APPEND EVERYWATT_WARNINGS -Wno-deprecated-declarations -Wno-missing-field-initializers)
endif()

# Builds for tests parse the largest headers once, for libraries and for tests (EVERYWATT_PCH). The release build does
# not: in it each file shows that it includes what it needs.
function(everywatt_headers name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "HEADERS;DEPENDS")
  set(source ${CMAKE_CURRENT_BINARY_DIR}/${name}.cc)
  file(CONFIGURE OUTPUT ${source} CONTENT "")
  add_library(${name} OBJECT ${source})
  target_compile_options(${name} PRIVATE ${EVERYWATT_WARNINGS})
  target_link_libraries(${name} PRIVATE ${arg_DEPENDS})
  list(TRANSFORM arg_HEADERS REPLACE "(.+)" "$<$<COMPILE_LANGUAGE:CXX>:<\\1>>")
  target_precompile_headers(${name} PRIVATE ${arg_HEADERS})
endfunction()
function(everywatt_use_headers target headers)
  if(TARGET ${headers})
    target_precompile_headers(${target} REUSE_FROM ${headers})
  endif()
endfunction()

# Seconds that one test may take before it counts as hung.
set(EVERYWATT_TEST_TIMEOUT 120)

function(everywatt_library name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES;TESTS;DEPENDS")
  add_library(${name} STATIC ${arg_SOURCES})
  target_include_directories(${name} PUBLIC ${PROJECT_SOURCE_DIR}/src)
  target_compile_options(${name} PRIVATE $<$<COMPILE_LANGUAGE:CXX>:${EVERYWATT_WARNINGS}>)
  target_link_libraries(${name} PUBLIC ${arg_DEPENDS})
  everywatt_use_headers(${name} library_headers)
  if(arg_TESTS AND EVERYWATT_TESTS)
    everywatt_test(${name}_test SOURCES ${arg_TESTS} DEPENDS ${name})
  endif()
endfunction()

# A test binary of its own, for tests that stand above one room. Tests may read
# recorded machines through tests/fixture_tree.h.
function(everywatt_test name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES;DEPENDS")
  add_executable(${name} ${arg_SOURCES})
  target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR})
  target_compile_options(${name} PRIVATE ${EVERYWATT_WARNINGS})
  target_compile_definitions(${name} PRIVATE EVERYWATT_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
  target_link_libraries(${name} PRIVATE ${arg_DEPENDS} GTest::gmock GTest::gtest_main)
  everywatt_use_headers(${name} test_headers)
  gtest_discover_tests(${name} DISCOVERY_TIMEOUT 60 PROPERTIES TIMEOUT ${EVERYWATT_TEST_TIMEOUT})
endfunction()

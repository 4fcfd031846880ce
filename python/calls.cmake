# everywatt_calls.abi3.so, beside libeverywatt: the Python package is quicker with it, and as good without. Built where
# Python's headers are, of whichever version. Included by the project and by python/, after writer.cmake.
set(python_include)
if(Python3_EXECUTABLE)  # what builds a wheel says for which
  execute_process(COMMAND ${Python3_EXECUTABLE} -c "import sysconfig; print(sysconfig.get_path('include'), end='')"
    OUTPUT_VARIABLE python_include)
endif()
find_path(EVERYWATT_PYTHON_INCLUDE Python.h HINTS ${python_include}
  PATH_SUFFIXES python3.14 python3.13 python3.12 python3.11 python3.10 python3.9)
if(NOT EVERYWATT_PYTHON_INCLUDE)
  message(STATUS "no Python.h (Debian: python3-dev): marks from Python go by ctypes alone, which takes a little longer")
  return()
endif()

add_library(everywatt_calls MODULE ${CMAKE_CURRENT_LIST_DIR}/calls.c)
target_compile_options(everywatt_calls PRIVATE -Wall -Wextra -Werror -fvisibility=hidden)
target_include_directories(everywatt_calls PRIVATE ${CMAKE_CURRENT_LIST_DIR}/../include)
target_include_directories(everywatt_calls SYSTEM PRIVATE ${EVERYWATT_PYTHON_INCLUDE})
target_link_libraries(everywatt_calls PRIVATE ${CMAKE_DL_LIBS})
set_target_properties(everywatt_calls PROPERTIES PREFIX "" SUFFIX ".abi3.so" LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/lib)

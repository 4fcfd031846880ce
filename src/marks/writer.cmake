# libeverywatt, what becomes part of a job: shared and static. Included by the room
# and by python/, whose wheel needs no more than this.
get_filename_component(everywatt_source_dir ${CMAKE_CURRENT_LIST_DIR}/../.. ABSOLUTE)
include(${everywatt_source_dir}/cmake/EverywattLibrary.cmake)
set(marks_dir ${everywatt_source_dir}/src/marks)

add_library(marks_writer OBJECT
  ${marks_dir}/delivery.cc ${marks_dir}/launcher.cc ${marks_dir}/library.cc ${marks_dir}/meter_beside.cc ${marks_dir}/name_table.cc ${marks_dir}/own_ring.cc ${marks_dir}/ring_writer.cc)
target_include_directories(marks_writer
  PUBLIC ${everywatt_source_dir}/include PRIVATE ${everywatt_source_dir}/src)
# C++ without its runtime: a C program links it as it is.
target_compile_options(marks_writer PRIVATE ${EVERYWATT_WARNINGS} -fno-exceptions -fno-rtti -fno-threadsafe-statics)
set_target_properties(marks_writer PROPERTIES
  POSITION_INDEPENDENT_CODE ON CXX_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON)

add_library(everywatt_static STATIC $<TARGET_OBJECTS:marks_writer>)
set_target_properties(everywatt_static PROPERTIES OUTPUT_NAME everywatt LINKER_LANGUAGE C
  ARCHIVE_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/lib)
target_include_directories(everywatt_static PUBLIC ${everywatt_source_dir}/include)
target_link_libraries(everywatt_static PUBLIC Threads::Threads)

add_library(everywatt_library SHARED $<TARGET_OBJECTS:marks_writer>)
set_target_properties(everywatt_library PROPERTIES OUTPUT_NAME everywatt LINKER_LANGUAGE C
  VERSION ${PROJECT_VERSION} SOVERSION 0 LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/lib)
target_include_directories(everywatt_library PUBLIC ${everywatt_source_dir}/include)
# Threads may be in it when the program lets go of it.
target_link_options(everywatt_library PRIVATE -Wl,-z,nodelete)
target_link_libraries(everywatt_library PRIVATE Threads::Threads)

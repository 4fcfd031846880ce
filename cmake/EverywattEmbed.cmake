# Puts a data file into a library, so that the program needs none beside it:
#
#   everywatt_embed(sources data/processors.csv processors_csv)
#
# and in C++:  extern "C" const char processors_csv[];  extern "C" const char processors_csv_end[];
function(everywatt_embed target file symbol)
  set(path ${PROJECT_SOURCE_DIR}/${file})
  set(assembly ${CMAKE_CURRENT_BINARY_DIR}/${symbol}.S)
  file(CONFIGURE OUTPUT ${assembly} @ONLY CONTENT [[
.section .rodata
.global @symbol@
.global @symbol@_end
@symbol@:
.incbin "@path@"
@symbol@_end:
.byte 0
.section .note.GNU-stack,"",%progbits
]])
  set_source_files_properties(${assembly} PROPERTIES OBJECT_DEPENDS ${path})
  target_sources(${target} PRIVATE ${assembly})
endfunction()

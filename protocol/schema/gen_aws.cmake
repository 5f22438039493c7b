# The Kinesis structs and tables, made from kinesis/*.op and kinesis_api.def.
file(GLOB kinesis_ops CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/protocol/schema/kinesis/*.op)
file(GLOB kinesis_gen ${CMAKE_SOURCE_DIR}/tools/gen/aws*.py)
set(kinesis_out ${CMAKE_BINARY_DIR}/gen/protocol/kinesis)
set(kinesis_api ${CMAKE_SOURCE_DIR}/protocol/schema/kinesis_api.def)
add_custom_command(
  OUTPUT ${kinesis_out}/api.gen.h ${kinesis_out}/api.gen.c
  COMMAND Python3::Interpreter ${CMAKE_SOURCE_DIR}/tools/gen/aws.py
          ${CMAKE_SOURCE_DIR}/protocol/schema/kinesis ${kinesis_api} ${kinesis_out}
  DEPENDS ${kinesis_ops} ${kinesis_gen} ${kinesis_api}
  COMMENT "Kinesis codec" VERBATIM)
add_custom_target(kinesis_codec DEPENDS ${kinesis_out}/api.gen.h ${kinesis_out}/api.gen.c)
target_sources(diglot_protocol PRIVATE ${kinesis_out}/api.gen.h ${kinesis_out}/api.gen.c)
add_dependencies(diglot_protocol kinesis_codec)

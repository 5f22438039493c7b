# The codecs made from the schema files: Kafka here, AWS's services in gen_aws.cmake. What is made lies in
# ${CMAKE_BINARY_DIR}/gen and is included like any other header ("protocol/kafka/msg/fetch.h").

# -- Kafka --
file(GLOB kafka_msgs CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/protocol/schema/kafka/*.msg)
file(GLOB kafka_gen ${CMAKE_SOURCE_DIR}/tools/gen/kafka*.py)
set(kafka_out ${CMAKE_BINARY_DIR}/gen/protocol/kafka/msg)
set(kafka_headers ${kafka_out}/schema.h ${kafka_out}/reverse.h)
set(kafka_sources)
set(kafka_reverse_sources ${kafka_out}/pass_reverse.c)
foreach(msg IN LISTS kafka_msgs)
  get_filename_component(name ${msg} NAME_WE)
  list(APPEND kafka_headers ${kafka_out}/${name}.h)
  list(APPEND kafka_sources ${kafka_out}/${name}.c)
  list(APPEND kafka_reverse_sources ${kafka_out}/${name}_reverse.c)
endforeach()
add_custom_command(
  OUTPUT ${kafka_headers} ${kafka_sources} ${kafka_reverse_sources}
  COMMAND Python3::Interpreter ${CMAKE_SOURCE_DIR}/tools/gen/kafka.py ${kafka_out} ${kafka_msgs}
  DEPENDS ${kafka_msgs} ${kafka_gen}
  COMMENT "Kafka codec" VERBATIM)
add_custom_target(kafka_codec DEPENDS ${kafka_headers} ${kafka_sources} ${kafka_reverse_sources})
target_sources(diglot_protocol PRIVATE ${kafka_headers} ${kafka_sources})
add_dependencies(diglot_protocol kafka_codec)
# A client's half, for tests and fuzzing only.
add_library(diglot_kafka_reverse STATIC EXCLUDE_FROM_ALL ${kafka_reverse_sources})
target_link_libraries(diglot_kafka_reverse PUBLIC diglot_protocol)
add_dependencies(diglot_kafka_reverse kafka_codec)

# -- AWS --
include(${CMAKE_CURRENT_LIST_DIR}/gen_aws.cmake OPTIONAL)

# The structs and tables of AWS's services, made from <service>/*.op and <service>_api.def.
file(GLOB aws_gen ${CMAKE_SOURCE_DIR}/tools/gen/aws*.py)

function(diglot_aws_service service)
  file(GLOB ops CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/protocol/schema/${service}/*.op)
  set(out ${CMAKE_BINARY_DIR}/gen/protocol/${service})
  set(api ${CMAKE_SOURCE_DIR}/protocol/schema/${service}_api.def)
  add_custom_command(
    OUTPUT ${out}/api.gen.h ${out}/api.gen.c
    COMMAND Python3::Interpreter ${CMAKE_SOURCE_DIR}/tools/gen/aws.py ${service}
            ${CMAKE_SOURCE_DIR}/protocol/schema/${service} ${api} ${out}
    DEPENDS ${ops} ${aws_gen} ${api}
    COMMENT "Codec of ${service}" VERBATIM)
  add_custom_target(${service}_codec DEPENDS ${out}/api.gen.h ${out}/api.gen.c)
  target_sources(diglot_protocol PRIVATE ${out}/api.gen.h ${out}/api.gen.c)
  add_dependencies(diglot_protocol ${service}_codec)
endfunction()

diglot_aws_service(kinesis)

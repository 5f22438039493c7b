"""Writes the Kafka codec: kafka.py OUT_DIR FILE.msg...

For each API <api>.h and <api>.c with what a server needs (request decoder, response encoder), and
<api>_reverse.c with the other direction, declared in reverse.h, which only tests link. schema.h
holds the version ranges. Files that would not change are left alone, so that nothing is rebuilt.
"""
import os
import sys

from kafka_c import Emitter
from kafka_dsl import SchemaError, load

MADE = "/* Made by tools/gen/kafka.py from {} in protocol/schema/kafka. */\n"


def header(api):
    request, response = Emitter(api, api.request), Emitter(api, api.response)
    request.structs()
    response.structs()
    guard = f"PROTOCOL_KAFKA_MSG_{api.snake.upper()}_H"
    q, r = api.request.root.c_name, api.response.root.c_name
    return f"""{MADE.format(api.snake + '.msg')}/* {api.about}
 * One struct serves versions {api.versions[0]}-{api.versions[1]}: decoding gives a field that the
 * version lacks its default.
 * A message to be encoded starts as X_INIT, which holds the defaults, and so does each element. */
#ifndef {guard}
#define {guard}

#include "base/cursor.h"
#include "base/writer.h"
#include "protocol/kafka/wire.h"

{chr(10).join(request.out + response.out)}
/* Views in ret point into the bytes under c, arrays lie in its arena. ret is untouched on failure.
 * Errors: ERR_INVALID_REQUEST; ERR_TOO_LARGE - beyond the arena's cap.  Thread: any. */
enum err {q}_decode(struct cursor *c, int16_t version, struct {q} *ret);
/* A failure is left in w->err. A value that the version cannot carry and that is not ignorable
 * aborts. errors: counts those that the message tells, NULL: nobody asks. Thread: the writer's
 * owner. */
void {r}_encode(struct writer *w, int16_t version, const struct {r} *m, struct wire_errors *errors);
/* Counts them without an answer. Thread: any. */
void {r}_errors(const struct {r} *m, int16_t version, struct wire_errors *to);

#endif
"""


def source(api, reverse):
    read, write = (api.response, api.request) if reverse else (api.request, api.response)
    reader, writer = Emitter(api, read), Emitter(api, write)
    reader.readers()
    writer.writers()
    own = "reverse" if reverse else api.snake
    return f"""{MADE.format(api.snake + '.msg')}#include "protocol/kafka/msg/{own}.h"

#include <assert.h>
#include "base/check.h"

{chr(10).join(reader.out)}

{chr(10).join(writer.out)}
"""


def schema_header(apis):
    lines = []
    for api in apis:
        name = "KAFKA_" + api.snake.upper()
        flexible = "INT16_MAX" if api.flexible is None else api.flexible
        lines.append(f'#define {name}_NAME "{api.name}"\n'
                     f"enum {{ {name}_KEY = {api.key}, {name}_MIN = {api.versions[0]}, "
                     f"{name}_MAX = {api.versions[1]}, {name}_FLEXIBLE = {flexible} }};")
    made = MADE.format("all files")
    return f"""{made}/* What the schema describes: key, versions, first flexible version (INT16_MAX: none).
 * What the server offers of it stands in protocol/schema/kafka_api.def. */
#ifndef PROTOCOL_KAFKA_MSG_SCHEMA_H
#define PROTOCOL_KAFKA_MSG_SCHEMA_H

#include <stdint.h>

{chr(10).join(lines)}

#endif
"""


def reverse_header(apis):
    lines = []
    for api in apis:
        q, r = api.request.root.c_name, api.response.root.c_name
        lines += [f"void {q}_encode(struct writer *w, int16_t version, const struct {q} *m);",
                  f"enum err {r}_decode(struct cursor *c, int16_t version, struct {r} *ret);"]
    includes = "\n".join(f'#include "protocol/kafka/msg/{api.snake}.h"' for api in apis)
    made = MADE.format("all files")
    return f"""{made}/* A client's half of the codec, for tests only. Contracts as in the other half. */
#ifndef PROTOCOL_KAFKA_MSG_REVERSE_H
#define PROTOCOL_KAFKA_MSG_REVERSE_H

{includes}

/* Decode one message body and encode it anew.
 * Errors: as decoding; ERR_UNSUPPORTED_VERSION - no such key or version.  Thread: any. */
enum err kafka_pass(int16_t key, int16_t version, bool response, struct cursor *c, struct writer *w);

{chr(10).join(lines)}

#endif
"""


def pass_source(apis):
    cases, functions = [], []
    for api in apis:
        for message in (api.request, api.response):
            name = message.root.c_name
            errors = ", NULL" if message is api.response else ""
            functions.append(f"""static enum err {name}_pass(struct cursor *c, int16_t v, struct writer *w)
{{
    struct {name} m;
    TRY({name}_decode(c, v, &m));
    {name}_encode(w, v, &m{errors});
    return w->err;
}}
""")
        first, last = api.versions
        q, r = api.request.root.c_name, api.response.root.c_name
        cases.append(f"    case {api.key}:\n"
                     f"        if (version < {first} || version > {last}) return ERR_UNSUPPORTED_VERSION;\n"
                     f"        return response ? {r}_pass(c, version, w) : {q}_pass(c, version, w);")
    return f"""{MADE.format('all files')}#include "protocol/kafka/msg/reverse.h"

#include "base/check.h"

{chr(10).join(functions)}
enum err kafka_pass(int16_t key, int16_t version, bool response, struct cursor *c, struct writer *w)
{{
    switch (key) {{
{chr(10).join(cases)}
    default:
        return ERR_UNSUPPORTED_VERSION;
    }}
}}
"""


def outputs(apis):
    files = {"schema.h": schema_header(apis), "reverse.h": reverse_header(apis),
             "pass_reverse.c": pass_source(apis)}
    for api in apis:
        files[f"{api.snake}.h"] = header(api)
        files[f"{api.snake}.c"] = source(api, reverse=False)
        files[f"{api.snake}_reverse.c"] = source(api, reverse=True)
    return files


def write_changed(path, text):
    try:
        with open(path, encoding="utf-8") as file:
            if file.read() == text:
                return
    except FileNotFoundError:
        pass
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def main(args):
    out, paths = args[0], args[1:]
    try:
        apis = sorted((load(path) for path in paths), key=lambda api: api.key)
        files = outputs(apis)
    except SchemaError as bad:
        print(bad, file=sys.stderr)
        return 1
    if len({api.key for api in apis}) != len(apis):
        print("two .msg files have the same API key", file=sys.stderr)
        return 1
    os.makedirs(out, exist_ok=True)
    for name, text in files.items():
        write_changed(os.path.join(out, name), text)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

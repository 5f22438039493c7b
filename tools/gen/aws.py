"""Generates protocol/SERVICE/api.gen.{h,c} from the schema of one of AWS's services.

usage: aws.py SERVICE SCHEMA_FOLDER API_DEF OUT_FOLDER

Emits one C struct and one constant table a shape (protocol/aws/shape.h), the enum of served
operations, unions of their inputs and outputs, the row of each (protocol/aws/operation.h), and the
look-up by X-Amz-Target. What is shared among operations is called after the service: kinesis_shard.
"""

import pathlib
import sys

import aws_model
import aws_pattern
from aws_model import lower_first, snake

C_TYPES = {"string": "struct bytes", "enum": "struct bytes", "blob": "struct bytes",
           "integer": "int32_t", "long": "int64_t", "boolean": "bool", "timestamp": "int64_t"}
HAS_FLAG = ("integer", "long", "boolean", "timestamp")
KINDS = {"enum": "STRING"}


class Emitter:
    def __init__(self, service, model):
        self.service, self.model = service, model
        self.inputs = {op.input.name for op in model.operations.values()}
        self.outputs = {op.output.name for op in model.operations.values() if op.output}
        self.patterns = {}

    # Names in C. Operations keep their plain names; shared shapes get a prefix, because "shard" and
    # "consumer" are nouns of every layer above.
    def c_name(self, shape):
        own = shape.name in self.inputs or shape.name in self.outputs
        return snake(shape.name) if own else f"{self.service}_{snake(shape.name)}"

    def c_element(self, shape):
        if shape.kind == "struct":
            return "struct " + self.c_name(shape)
        return C_TYPES[shape.kind]

    def by_pointer(self, owner, member):
        return self.shape(member).kind == "struct" and self.may_be_absent(owner, member)

    def may_be_absent(self, owner, member):
        return member.optional or owner.name in self.inputs

    def shape(self, member):
        return self.model.shapes[member.shape]

    def field(self, member):
        return snake(member.name) + ("_ms" if self.shape(member).kind == "timestamp" else "")

    def c_fields(self, owner, member):
        shape, name = self.shape(member), self.field(member)
        if shape.kind == "list":
            element = self.c_element(self.model.shapes[shape.element])
            return [f"{element} *{name};", f"uint32_t {name}_count;"]
        if shape.kind == "map":
            return [f"struct aws_pair *{name};", f"uint32_t {name}_count;"]
        if shape.kind == "struct":
            star = "*" if self.by_pointer(owner, member) else ""
            return [f"struct {self.c_name(shape)} {star}{name};"]
        fields = [f"{C_TYPES[shape.kind]} {name};"]
        if shape.kind in HAS_FLAG and self.may_be_absent(owner, member):
            fields.append(f"bool has_{snake(member.name)};")
        return fields

    def ordered_structs(self):
        """Structs in an order in which what is held by value or as an element comes first."""
        done = []

        def visit(shape):
            if shape.kind in ("list", "map"):
                visit(self.model.shapes[shape.element])
            if shape.kind == "struct" and shape not in done:
                for member in shape.members:
                    visit(self.shape(member))
                done.append(shape)
        for shape in self.model.shapes.values():
            visit(shape)
        return done

    def origin(self):
        return f"/* Generated from protocol/schema/{self.service} by tools/gen/aws.py. */"

    def header(self):
        guard = f"PROTOCOL_{self.service.upper()}_API_GEN_H"
        out = [self.origin(), f"#ifndef {guard}", f"#define {guard}", "",
               '#include "protocol/aws/codec.h"', '#include "protocol/aws/operation.h"', ""]
        for shape in self.model.shapes.values():
            if shape.kind == "enum":
                out += self.enum(shape)
        for shape in self.ordered_structs():
            out += self.struct(shape)
        out += self.operations()
        return "\n".join(out + ["", "#endif", ""])

    def enum(self, shape):
        name = f"{self.service}_{snake(shape.name)}"
        values = [f"    {name.upper()}_{snake(v).upper()}," for v in shape.values]
        return [f"enum {name} {{", *values, "};",
                f"/* -1 when text is none of them. */",
                f"int {name}_index(struct bytes text);",
                f"struct bytes {name}_text(enum {name} v);", ""]

    def struct(self, shape):
        fields = [f"    {f}" for m in shape.members for f in self.c_fields(shape, m)]
        if not fields:
            fields = ["    char empty;"]
        return [f"struct {self.c_name(shape)} {{", *fields, "};",
                f"extern const struct aws_shape {self.c_name(shape)}_shape;", ""]

    def operations(self):
        service, count = self.service, f"{self.service.upper()}_OP_COUNT"
        out = [f"enum {service}_op {{"]
        out += [f"    {service.upper()}_OP_{snake(op.name).upper()}," for op in self.model.served]
        out += [f"    {count},", "};", "", f"union {service}_input {{"]
        out += [f"    struct {snake(op.input.name)} {snake(op.name)};" for op in self.model.served]
        out += ["};", "", f"union {service}_output {{"]
        out += [f"    struct {snake(op.output.name)} {snake(op.name)};"
                for op in self.model.served if op.output]
        out += ["};", "", f"extern const struct aws_operation {service}_operations[{count}];", "",
                f"/* name: what follows the dot of X-Amz-Target. {count} when it is none. */",
                f"enum {service}_op {service}_op_find(struct bytes name);"]
        return out

    # The tables.
    def source(self):
        out = [self.origin(), f'#include "protocol/{self.service}/api.gen.h"', "", "#include <stddef.h>",
               '#include "base/check.h"', ""]
        for shape in self.model.shapes.values():
            if shape.pattern:
                out += self.pattern(shape)
        for shape in self.model.shapes.values():
            if shape.kind != "struct":
                out.append(f"static const struct aws_shape {self.table(shape)};")
        out.append("")
        for shape in self.model.shapes.values():
            out += self.shape_table(shape)
        for shape in self.model.shapes.values():
            if shape.kind == "enum":
                out += self.enum_functions(shape)
        return "\n".join(out + self.operation_tables() + [""])

    def table(self, shape):
        return (self.c_name(shape) if shape.kind == "struct" else "shape_" + snake(shape.name)) + \
            ("_shape" if shape.kind == "struct" else "")

    def pattern(self, shape):
        if shape.pattern in self.patterns:
            return []
        name = self.patterns[shape.pattern] = "pattern_" + snake(shape.name)
        classes, rows, accepts = aws_pattern.compile_pattern(shape.pattern)
        width = len(rows[0])
        if len(rows) > 256:
            sys.exit(f"{shape.name}: its pattern needs {len(rows)} states, more than 256")
        text = c_string(shape.pattern)
        return [f"static const uint8_t {name}_classes[256] = {{{numbers(classes)}}};",
                f"static const uint8_t {name}_next[] = {{{numbers(t for r in rows for t in r)}}};",
                f"static const bool {name}_accepts[] = {{{numbers(int(a) for a in accepts)}}};",
                f"static const struct aws_pattern {name} = {{{text}, {name}_classes, {name}_next, "
                f"{name}_accepts, {width}}};", ""]

    def shape_table(self, shape):
        out, fields = [], [f".name = \"{shape.name}\"",
                           f".kind = AWS_{KINDS.get(shape.kind, shape.kind.upper())}",
                           f".size = sizeof({self.c_size(shape)})",
                           f".min = {'INT64_MIN' if shape.min is None else shape.min}",
                           f".max = {'INT64_MAX' if shape.max is None else shape.max}"]
        table = self.table(shape)
        if shape.pattern:
            fields.append(f".pattern = &{self.patterns[shape.pattern]}")
        if shape.values:
            values = ", ".join(f'"{v}"' for v in shape.values)
            out.append(f"static const char *const {table}_values[] = {{{values}}};")
            fields += [f".values = {table}_values", f".values_count = {len(shape.values)}"]
        if shape.shown_as:
            fields.append(f".shown_as = {c_string(shape.shown_as)}")
        if shape.element:
            fields.append(f".element = &{self.table(self.model.shapes[shape.element])}")
        if shape.key:
            fields.append(f".key = &{self.table(self.model.shapes[shape.key])}")
        if shape.members:
            out.append(f"static const struct aws_member {table}_members[] = {{")
            out += [f"    {{{self.member(shape, m)}}}," for m in shape.members]
            out.append("};")
            fields += [f".members = {table}_members", f".members_count = {len(shape.members)}"]
        static = "" if shape.kind == "struct" else "static "
        out.append(f"{static}const struct aws_shape {table} = {{{', '.join(fields)}}};")
        return out

    def c_size(self, shape):
        if shape.kind == "map":
            return "struct aws_pair"
        if shape.kind == "list":
            return self.c_element(self.model.shapes[shape.element])
        return self.c_element(shape)

    def member(self, owner, member):
        shape, name = self.shape(member), member.name
        struct, field = "struct " + self.c_name(owner), self.field(member)
        aux = "AWS_NONE"
        if shape.kind in ("list", "map"):
            aux = f"offsetof({struct}, {field}_count)"
        elif shape.kind in HAS_FLAG and self.may_be_absent(owner, member):
            aux = f"offsetof({struct}, has_{snake(name)})"
        unless = "AWS_NONE"
        if member.unless:
            unless = [m.name for m in owner.members].index(member.unless)
        size = len(name)
        head = chr(0x60 + size) if size < 24 else chr(0x78) + chr(size)
        json_key = '"' + name + '":'
        yes = lambda flag: "true" if flag else "false"
        return (f"\"{name}\", \"{lower_first(name)}\", {c_string(json_key)}, {c_string(head + name)}, "
                f"&{self.table(shape)}, {size}, {len(json_key)}, {len(head) + size}, "
                f"offsetof({struct}, {field}), {aux}, {unless}, {yes(not member.optional)}, "
                f"{yes(self.by_pointer(owner, member))}")

    def enum_functions(self, shape):
        name, table = f"{self.service}_{snake(shape.name)}", self.table(shape)
        return ["", f"int {name}_index(struct bytes text)", "{",
                f"    return aws_enum_index(&{table}, text);", "}",
                "", f"struct bytes {name}_text(enum {name} v)", "{",
                f"    return bytes_str({table}_values[v]);", "}"]

    def operation_tables(self):
        out = [""]
        for op in self.model.served:
            errors = ", ".join(f'"{exception(e)}"' for e in op.errors)
            out.append(f"static const char *const errors_{snake(op.name)}[] = {{{errors}, NULL}};")
        service, count = self.service, f"{self.service.upper()}_OP_COUNT"
        out += ["", f"#define {service.upper()}(name, id, handler) "
                f"[{service.upper()}_OP_##id] = {{name, SHAPES_##id}},"]
        for op in self.model.served:
            output = f"&{self.table(op.output)}" if op.output else "NULL"
            out.append(f"#define SHAPES_{snake(op.name).upper()} "
                       f"&{self.table(op.input)}, {output}, errors_{snake(op.name)}")
        out += [f"const struct aws_operation {service}_operations[{count}] = {{",
                f'#include "protocol/schema/{service}_api.def"', "};", "",
                f"enum {service}_op {service}_op_find(struct bytes name)", "{", "    switch (name.len) {"]
        by_length = {}
        for op in self.model.served:
            by_length.setdefault(len(op.name), []).append(op.name)
        for length, names in sorted(by_length.items()):
            out.append(f"    case {length}:")
            out += [f"        if (memcmp(name.data, \"{n}\", {length}) == 0) "
                    f"return {service.upper()}_OP_{snake(n).upper()};" for n in names]
            out.append("        break;")
        return out + ["    }", f"    return {count};", "}"]


def exception(name):
    return name if name == "KMSOptInRequired" else name + "Exception"


def numbers(values):
    return ",".join(str(v) for v in values)


def c_string(text):
    out = ""
    for char in text:
        out += char if " " <= char <= "~" and char not in '"\\' else f"\\{ord(char):03o}"
    return f'"{out}"'


def main(service, schema, api_def, out_folder):
    emitter = Emitter(service, aws_model.read(service, schema, api_def))
    folder = pathlib.Path(out_folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "api.gen.h").write_text(emitter.header())
    (folder / "api.gen.c").write_text(emitter.source())


if __name__ == "__main__":
    main(*sys.argv[1:])

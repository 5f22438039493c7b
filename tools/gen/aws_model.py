"""Reads the schema of one of AWS's services: protocol/schema/SERVICE/*.op and SERVICE_api.def.

The language is described at the head of shapes.op. Every mistake in a file ends the run with its
file and line, so that a wrong schema never becomes a wrong codec.
"""

import pathlib
import re
import sys

SCALARS = ("string", "blob", "integer", "long", "boolean", "timestamp")
RANGE = re.compile(r"^(\d+)\.\.(\d*)$")


class Member:
    def __init__(self, name, shape, optional, unless, differs):
        self.name, self.shape, self.optional = name, shape, optional
        self.unless, self.differs = unless, differs


class Shape:
    def __init__(self, kind, name):
        self.kind, self.name = kind, name
        self.min = self.max = self.pattern = self.element = self.key = None
        self.shown_as = self.differs = None
        self.values, self.members = [], []


class Operation:
    def __init__(self, name):
        self.name, self.input, self.output, self.errors = name, None, None, []


class Model:
    def __init__(self):
        self.shapes, self.operations, self.served = {}, {}, []


def snake(name):
    for word in ("ARN", "KiB", "MiB"):
        name = name.replace(word, word.capitalize())
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def lower_first(name):
    return name[0].lower() + name[1:]


class Parser:
    def __init__(self, model, path):
        self.model, self.path, self.line = model, path, 0
        self.shape = self.operation = None

    def fail(self, text):
        sys.exit(f"{self.path}:{self.line}: {text}")

    def run(self):
        for raw in self.path.read_text().splitlines():
            self.line += 1
            if raw.lstrip().startswith("#") or not raw.strip():
                continue
            text, _, differs = raw.partition(" ! ")
            words = text.split()
            if raw[0] == " ":
                self.member(words, differs.strip() or None)
            elif words[0] in ("op", "in", "out", "errors"):
                self.operation_line(words)
            else:
                self.shape_line(words, differs.strip() or None)

    def add(self, shape):
        if shape.name in self.model.shapes:
            self.fail(f"shape {shape.name} is described twice")
        self.model.shapes[shape.name] = shape
        return shape

    def shape_line(self, words, differs):
        kind, name, rest = words[0], words[1], words[2:]
        if kind not in SCALARS + ("enum", "list", "map", "struct"):
            self.fail(f"unknown kind {kind}")
        shape = self.add(Shape(kind, name))
        shape.differs = differs
        self.shape = shape if kind == "struct" else None
        if kind == "enum":
            shape.values = rest
            return
        if kind == "list" and rest[:1] == ["of"]:
            shape.element, rest = rest[1], rest[2:]
        if kind == "map" and rest[0] == "of" and rest[2] == "to":
            shape.key, shape.element, rest = rest[1], rest[3], rest[4:]
        while rest:
            match = RANGE.match(rest[0])
            if match:
                shape.min = int(match[1])
                shape.max = int(match[2]) if match[2] else None
                rest = rest[1:]
            elif rest[0] == "pattern" and kind == "string":
                shape.pattern, rest = rest[1], rest[2:]
            elif rest[0] == "as" and kind == "struct":
                shape.shown_as, rest = rest[1], rest[2:]
            else:
                self.fail(f"cannot read {' '.join(rest)}")

    def operation_line(self, words):
        if words[0] == "op":
            self.operation = self.model.operations[words[1]] = Operation(words[1])
        elif words[0] == "in":
            self.shape = self.operation.input = self.add(Shape("struct", self.operation.name + "Input"))
        elif words[0] == "out":
            self.shape = self.operation.output = self.add(Shape("struct", self.operation.name + "Output"))
        else:
            self.operation.errors = words[1:]

    def member(self, words, differs):
        if self.shape is None:
            self.fail("a member outside of a struct")
        unless = None
        if words[2:]:
            if len(words) != 4 or words[2] != "unless":
                self.fail(f"cannot read {' '.join(words[2:])}")
            unless = words[3]
        optional = words[1].endswith("?")
        self.shape.members.append(Member(words[0], words[1].rstrip("?"), optional, unless, differs))


def read(service, folder, api_def):
    model = Model()
    for path in sorted(pathlib.Path(folder).glob("*.op")):
        Parser(model, path).run()
    for shape in model.shapes.values():
        names = [m.shape for m in shape.members] + [n for n in (shape.element, shape.key) if n]
        for name in names:
            if name not in model.shapes:
                sys.exit(f"{shape.name}: no shape {name}")
        for member in shape.members:
            if member.unless and member.unless not in [m.name for m in shape.members]:
                sys.exit(f"{shape.name}.{member.name}: no member {member.unless}")
    rows = rf'^{service.upper()}\("(\w+)",\s*(\w+),'
    for row in re.findall(rows, pathlib.Path(api_def).read_text(), re.M):
        if row[0] not in model.operations or snake(row[0]).upper() != row[1]:
            sys.exit(f"{api_def}: {row[0]} has no schema, or {row[1]} is not its id")
        model.served.append(model.operations[row[0]])
    return model

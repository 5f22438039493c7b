"""Compares protocol/schema/kinesis with AWS's service model and prints what we lack.

usage: kinesis_schema.py service-2.json[.gz]     (botocore 1.44.8: botocore/data/kinesis/2013-12-02)

Every operation that is served: its members and their shapes, what is required, its errors; every shape:
kind, bounds, pattern, values, elements, members. A line of ours marked "! why" must differ, and any
other must not. Members and operations that only AWS has are printed; a missing member fails, since
whoever sends or wants it would not be told, an operation that is not served does not.
"""

import gzip
import json
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools" / "gen"))
import aws_model                                                     # noqa: E402

KINDS = {"structure": "struct"}
STREAMED = "SubscribeToShard"            # its output is an event stream, made by hand


class Comparison:
    def __init__(self, ours, theirs):
        self.ours, self.theirs = ours, theirs
        self.failures, self.on_purpose = [], []

    def note(self, where, what, differs):
        """One difference: legal only on a line that says why."""
        found = self.on_purpose if differs else self.failures
        found.append(f"{where}: {what}" + (f" ({differs})" if differs else ""))

    def line(self, where, differences, differs):
        for what in differences:
            self.note(where, what, differs)
        if differs and not differences:
            self.failures.append(f'{where}: says "! {differs}" but does not differ')

    def shape(self, shape):
        theirs = self.theirs["shapes"].get(shape.name)
        if theirs is None:
            self.line(shape.name, ["the model has no such shape"], shape.differs)
            return
        found = []
        # No reason excuses a bound that AWS does not have: what it refuses, it refuses later and in other words.
        for bound in ("min", "max", "pattern"):
            if getattr(shape, bound) is not None and bound not in theirs:
                self.failures.append(f"{shape.name}: {bound} {getattr(shape, bound)}, the model has none")
        kind = "enum" if "enum" in theirs else KINDS.get(theirs["type"], theirs["type"])
        if kind != shape.kind:
            found.append(f"kind {shape.kind}, model {kind}")
        for bound in ("min", "max"):
            if getattr(shape, bound) != theirs.get(bound):
                found.append(f"{bound} {getattr(shape, bound)}, model {theirs.get(bound)}")
        if bare(shape.pattern) != bare(theirs.get("pattern")):
            found.append(f"pattern {shape.pattern}, model {theirs.get('pattern')}")
        if sorted(shape.values) != sorted(theirs.get("enum", [])):
            found.append(f"values {shape.values}, model {theirs.get('enum')}")
        element = theirs.get("member", theirs.get("value", {})).get("shape")
        if shape.element != element or shape.key != theirs.get("key", {}).get("shape"):
            found.append(f"elements {shape.key} {shape.element}, model {element}")
        self.line(shape.name, found, shape.differs)
        if shape.kind == "struct":
            self.members(shape, theirs)

    def members(self, shape, theirs):
        required = theirs.get("required", [])
        known = {m.name: m for m in shape.members}
        for name in theirs.get("members", {}):
            if name not in known:
                self.failures.append(f"{shape.name}.{name}: we lack it")
        for member in shape.members:
            where, found = f"{shape.name}.{member.name}", []
            if member.name not in theirs.get("members", {}):
                self.line(where, ["the model has no such member"], member.differs)
                continue
            model_shape = theirs["members"][member.name]["shape"]
            if member.shape != model_shape:
                found.append(f"shape {member.shape}, model {model_shape}")
            if member.unless:
                if member.name in required:
                    found.append("the model always requires it")
            elif member.optional == (member.name in required):
                found.append(("optional" if member.optional else "required") + ", the model says otherwise")
            # A shape of our own says on its own line why it differs.
            own = self.ours.shapes[member.shape].differs and member.shape not in self.theirs["shapes"]
            if own and found == [f"shape {member.shape}, model {model_shape}"] and not member.differs:
                continue
            self.line(where, found, member.differs)

    def operation(self, op):
        theirs = self.theirs["operations"].get(op.name)
        if theirs is None:
            self.failures.append(f"{op.name}: the model has no such operation")
            return
        errors = {name if name == "KMSOptInRequired" else name + "Exception" for name in op.errors}
        if errors != {e["shape"] for e in theirs["errors"]}:
            model = sorted(e["shape"] for e in theirs["errors"])
            self.failures.append(f"{op.name}: errors {sorted(errors)}, model {model}")
        for side, ours in (("input", op.input), ("output", op.output)):
            name = theirs.get(side, {}).get("shape")
            if name and ours is None and op.name != STREAMED and self.theirs["shapes"][name].get("members"):
                self.failures.append(f"{op.name}: no {side}, model {name}")
            if ours and ours.name != name:
                self.failures.append(f"{op.name}: {side} {ours.name}, model {name}")


def bare(pattern):
    """A pattern without the anchors that matching the whole text implies."""
    match = re.fullmatch(r"\^\((.*)\)\$", pattern or "")
    return match[1] if match else pattern


def gaps():
    """Operations of Kinesis that docs/gaps.txt lists."""
    lines = (ROOT / "docs" / "gaps.txt").read_text().splitlines()
    return {line.split()[1] for line in lines if re.match(r"kinesis  \w", line)}


def unserved():
    """Operations that the door refuses by name."""
    return set(re.findall(r'^KINESIS_UNSERVED\("(\w+)"\)',
                          (ROOT / "protocol" / "schema" / "kinesis_unserved.def").read_text(), re.MULTILINE))


def main(path):
    opened = gzip.open(path, "rt") if path.endswith(".gz") else open(path)
    with opened as file:
        theirs = json.load(file)
    schema = ROOT / "protocol" / "schema"
    ours = aws_model.read("kinesis", schema / "kinesis", schema / "kinesis_api.def")
    comparison = Comparison(ours, theirs)
    for op in ours.served:
        comparison.operation(op)
    for shape in ours.shapes.values():
        comparison.shape(shape)
    served = {op.name for op in ours.served}
    lacking = set(theirs["operations"]) - served
    for file, listed in (("docs/gaps.txt", gaps()), ("kinesis_unserved.def", unserved())):
        for name in sorted(lacking ^ listed):
            wrong = "lacks it" if name in lacking else "lists it, but it is served"
            comparison.failures.append(f"{name}: {file} {wrong}")
    print(f"{len(served)} of {len(theirs['operations'])} operations, {len(ours.shapes)} shapes compared")
    print(f"not served: {', '.join(sorted(lacking))}")
    for text in comparison.on_purpose:
        print(f"differs on purpose: {text}")
    for text in comparison.failures:
        print(f"FAILED: {text}")
    return 1 if comparison.failures else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

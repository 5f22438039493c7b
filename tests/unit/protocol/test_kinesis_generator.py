"""Patterns become tables that agree with Python's own matcher; a schema that cannot be meant is refused."""
import os
import pathlib
import random
import re
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "tools" / "gen"))
import aws_model  # noqa: E402
import aws_pattern  # noqa: E402

SCHEMA = ROOT / "protocol" / "schema"
PIECES = [b"arn:aws", b":kinesis:", b":123456789012:", b"stream/", b"x", b"/consumer/", b"9", b"0", b"1" * 38, b" ",
          b"\n", b"abcdefghij0123456789", b"-abc", b":", b"stream/a/consumer/b:12", b"us-east-1", b"\xc3\xa9"]


def matches(table, text):
    classes, rows, accepts = table
    state = 1
    for byte in text:
        state = rows[state][classes[byte]]
    return accepts[state]


class Patterns(unittest.TestCase):
    def test_every_pattern_of_the_schema_agrees_with_re(self):
        seed = int(os.environ.get("DIGLOT_SEED", random.randrange(1 << 30)))
        print(f"DIGLOT_SEED={seed}")
        dice = random.Random(seed)
        for shape in aws_model.read("kinesis", SCHEMA / "kinesis", SCHEMA / "kinesis_api.def").shapes.values():
            if not shape.pattern:
                continue
            table, theirs = aws_pattern.compile_pattern(shape.pattern), re.compile(shape.pattern.encode())
            for _ in range(3000):
                text = b"".join(dice.choice(PIECES) for _ in range(dice.randint(0, 7)))
                self.assertEqual(matches(table, text), bool(theirs.fullmatch(text)), (shape.name, text))

    def test_state_0_is_dead_and_equal_states_are_one(self):
        classes, rows, accepts = aws_pattern.compile_pattern("a+|a+")
        self.assertEqual(len(rows), 3)
        self.assertEqual(rows[0], [0] * len(rows[0]))
        self.assertEqual(accepts, [False, False, True])

    def test_what_the_tables_cannot_say_is_refused(self):
        with self.assertRaises(ValueError):
            aws_pattern.compile_pattern(r"(a)\1")


class Language(unittest.TestCase):
    def generate(self, text, rows='KINESIS("Sample", SAMPLE, kinesis_sample)\n', service="kinesis"):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder)
            (path / "sample.op").write_text(text)
            (path / "api.def").write_text(rows)
            generate = [sys.executable, ROOT / "tools/gen/aws.py", service, folder, path / "api.def", path / "out"]
            done = subprocess.run(generate, capture_output=True, text=True)
            if done.returncode:
                return None, done.stderr
            return (path / "out" / "api.gen.h").read_text(), done.stderr

    def refused(self, why, *args):
        header, said = self.generate(*args)
        self.assertIsNone(header)
        self.assertRegex(said, why)

    def test_a_member_becomes_what_its_shape_and_presence_ask_for(self):
        header, said = self.generate("string Name\ninteger Count\nlist Names of Name\ntimestamp Time\n"
                                     "op Sample\nin\n  NameARN Name\n  Count Count\nout\n  Names Names\n  Count Count\n"
                                     "  Time Time?\nerrors Validation\n")
        self.assertIsNotNone(header, said)
        for line in ("struct bytes name_arn;", "int32_t count;", "bool has_count;", "struct bytes *names;",
                     "uint32_t names_count;", "int64_t time_ms;", "bool has_time;"):
            self.assertIn(line, header)
        self.assertEqual(header.count("bool has_count;"), 1)

    def test_each_service_has_names_of_its_own(self):
        text = "string Name\nstruct Place\n  Name Name\nop Sample\nin\n  Place Place\nerrors Validation\n"
        header, said = self.generate(text, 'OTHER("Sample", SAMPLE, other_sample)\n', "other")
        self.assertIsNotNone(header, said)
        for line in ("struct other_place {", "union other_input {", "enum other_op other_op_find(struct bytes name);"):
            self.assertIn(line, header)
        self.assertNotIn("kinesis", header.lower())

    def test_what_cannot_be_meant_is_refused_with_its_place(self):
        op = "op Sample\nin\nerrors Validation\n"
        self.refused(r"sample.op:1: unknown kind word", "word A\n" + op)
        self.refused(r"sample.op:2: shape A is described twice", "string A\nstring A\n" + op)
        self.refused(r"sample.op:1: cannot read 1\.\.x", "string A 1..x\n" + op)
        self.refused(r"sample.op:1: a member outside of a struct", "  A B\n" + op)
        self.refused(r"no shape B", "struct A\n  M B\n" + op)
        self.refused(r"A\.M: no member X", "string B\nstruct A\n  M B unless X\n" + op)
        self.refused(r"Sample has no schema", "string A\n")
        self.refused(r"SIMPLE is not its id", op, 'KINESIS("Sample", SIMPLE, kinesis_sample)\n')


if __name__ == "__main__":
    unittest.main()

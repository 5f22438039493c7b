"""The message language refuses what it cannot mean, with file and line."""
import glob
import os
import re
import sys
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
sys.path.insert(0, os.path.join(ROOT, "tools", "gen"))
from kafka_c import Emitter  # noqa: E402
from kafka_dsl import Parser, SchemaError, load, snake  # noqa: E402

HEAD = "# About.\napi Sample 7   versions 1-5   flexible 3+\n"


def parse(request="", response="", head=HEAD):
    return Parser("sample.msg", f"{head}request\n{request}\nresponse\n{response}\n").parse()


class Language(unittest.TestCase):
    def refused(self, why, *args, **options):
        with self.assertRaises(SchemaError) as caught:
            parse(*args, **options)
        self.assertRegex(str(caught.exception), r"^sample\.msg:\d+: .*" + why)

    def test_a_field_says_versions_null_default_and_tag(self):
        api = parse("  name  string?4+  2+  = null  ignorable\n  a  int32  3+  = -1  tag 0\n"
                    "  e  err  BUSY\n         MOVED\n")
        name, tagged, error = api.request.root.fields
        self.assertEqual((name.versions, name.nullable, name.default, name.ignorable), ((2, 5), (4, 5), None, True))
        self.assertEqual((tagged.tag, tagged.default), (0, -1))
        self.assertEqual((error.base, error.errors), ("int16", ["BUSY", "MOVED"]))
        self.assertTrue(api.is_flexible(3) and not api.is_flexible(2))

    def test_structs_come_before_those_that_contain_them(self):
        api = parse("  tops  []top\n    part  part\n      n  int8\n    more  shared\nstruct shared\n  x  bool\n")
        self.assertEqual([s.name for s in api.request.structs], ["part", "shared", "top", "sample_request"])

    def test_what_is_refused(self):
        self.refused("expected: api", head="api Sample\n")
        self.refused("beyond 1-5", "  a  int8  0+\n")
        self.refused("beyond 1-5", "  a  int8  2-9\n")
        self.refused("beyond 3-5", "  a  []b  3+\n    c  int8  2+\n")
        self.refused("is called nope", "  a  nope\n")
        self.refused("not a bool", "  a  bool  = True\n")
        self.refused("ends too early", "  a  int8  tag\n")
        self.refused("has no fields", "  a  int8\n    b  int8\n")
        self.refused("name a is taken", "  a  int8\n  a  int8\n")
        self.refused("name b_count is taken", "  b_count  int8\n  b  []int8\n")
        self.refused("name default is taken", "  default  int8\n")
        self.refused("tags count up", "  a  int8  3+  tag 1\n")
        self.refused("not nullable", "  a  string  = null\n")
        self.refused("only have the default null", "  a  []int8  = 3\n")
        self.refused("unknown word", "  a  int8  ignorible\n")
        self.refused("unknown word", "  a  int8  NOT_AN_ERROR_FIELD\n")
        self.refused("indented by 5", "  a  []b\n     c  int8\n")
        self.refused("two structs", "  a  []b\n    c  int8\n  d  []b\n    c  int8\n")
        self.refused("contains itself", "  a  x\nstruct x\n  b  []x\n")
        self.refused("nullable struct", "  a  x?\n    c  int8\n")

    def test_names_are_kafkas_in_snake_case(self):
        for kafka, ours in (("ThrottleTimeMs", "throttle_time_ms"), ("ISRNodes", "isr_nodes"),
                            ("V3AndBelowTopics", "v3_and_below_topics"), ("KRaftVersion", "k_raft_version")):
            self.assertEqual(snake(kafka), ours)


class Schemas(unittest.TestCase):
    def test_errors_named_in_a_schema_are_in_the_error_table(self):
        with open(os.path.join(ROOT, "base", "err.h"), encoding="utf-8") as file:
            known = set(re.findall(r"^ +E\((\w+),", file.read(), re.M))
        for path in glob.glob(os.path.join(ROOT, "protocol/schema/kafka/*.msg")):
            api = load(path)
            for message in (api.request, api.response):
                named = [e for s in message.structs for f in s.fields for e in f.errors]
                self.assertLessEqual(set(named), known, path)


class Emitted(unittest.TestCase):
    def test_versions_become_conditions_only_where_they_matter(self):
        api = parse("  a  int8\n  b  int8  2-3\n  c  int8  5\n")
        emitter = Emitter(api, api.request)
        emitter.readers()
        text = "\n".join(emitter.out)
        self.assertIn("    m->a = cursor_i8(c);", text)
        self.assertIn("if (v >= 2 && v <= 3) m->b", text)
        self.assertIn("if (v >= 5) m->c", text)

    def test_a_value_that_must_not_be_dropped_is_asserted(self):
        api = parse("", "  a  int8  2+  = -1\n  b  int8  2+  ignorable\n")
        emitter = Emitter(api, api.response)
        emitter.writers()
        text = "\n".join(emitter.out)
        self.assertIn("else assert(!(m->a != -1));", text)
        self.assertNotIn("assert(!(m->b", text)


if __name__ == "__main__":
    unittest.main()

#!/usr/bin/env python3
"""A tidy that cannot fail is a defect: for each check a clean tree passes, and each kind of fault is
found at its file and line."""
import contextlib
import io
import os
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(__file__))
import circles
import tidy

CLEAN = {
    "layers.txt": "# top to bottom\ntools\nbroker bridge\nprotocol\nbase\n",
    "base/README.md": "x\n", "protocol/README.md": "x\n", "broker/README.md": "x\n", "bridge/README.md": "x\n",
    "base/a.h": "/* A. */\nint a(void);\n",
    "base/a.c": '#include "base/a.h"\n#include <stdio.h>\n#include "base/check.h"\n\n'
                'int a(void)\n{\n    return 1;\n}\n',
    "protocol/p.h": '/* P. Fuzz: fuzz_p */\n#include "base/a.h"\n\n/* Reads.\n * Errors: none.\n * Thread: any. */\n'
                    "enum err p_parse(struct bytes b);\n",
    "protocol/schema/kafka_api.def": "KAFKA(LIST_OFFSETS, 2)\nKAFKA(FETCH, 1)\n",
    "protocol/schema/kinesis_api.def": 'KINESIS("PutRecord", x)\nKINESIS("PutRecords", x)\n',
    "broker/b.c": '#include "base/a.h"\n#include "protocol/p.h"\n#include "base/check.h"\n',
    "bridge/b.c": '#include "base/check.h"\n',
    "tests/README.md": "x\n",
    "tests/fuzz/fuzz_p.c": "int f;\n",
    "tests/fuzz/corpus/p/one": "x",
    "tests/unit/broker/test_b.c": "TEST(list_offsets_by_time) {}\nTEST(fetch_waits) {}\n",
    "tests/interop/put.py": "client.put_record()\nclient.PutRecords()\n",
}


class TidyTest(unittest.TestCase):
    def run_on(self, changes):
        """Findings as 'file:line: text' for the clean tree with changes; None removes a file."""
        with tempfile.TemporaryDirectory() as root:
            for path, text in {**CLEAN, **changes}.items():
                if text is None:
                    continue
                full = os.path.join(root, path)
                os.makedirs(os.path.dirname(full), exist_ok=True)
                with open(full, "w", encoding="utf-8") as f:
                    f.write(text)
            tree = tidy.Tree(root)
            return [f"{p}:{n}: {t}" for check in tidy.CHECKS for p, n, t in check(tree)]

    def expect(self, changes, *starts):
        found = self.run_on(changes)
        self.assertEqual(len(found), len(starts), found)
        for line, start in zip(found, starts):
            self.assertTrue(line.startswith(start), f"{line}\nshould begin with {start}")

    def test_a_clean_tree_passes(self):
        self.expect({})

    def test_an_include_that_points_up(self):
        self.expect({"base/a.h": '/* A. */\n#include "protocol/p.h"\n'},
                    "base/a.h:2: base may not include protocol/p.h")

    def test_an_include_that_points_sideways(self):
        self.expect({"bridge/b.c": '#include "broker/x.h"\n#include "base/check.h"\n'}, "bridge/b.c:1: bridge may not")
        self.expect({"broker/b.c": '#include "bridge/x.h"\n#include "base/check.h"\n'}, "broker/b.c:1: broker may not")

    def test_an_include_of_a_room_above(self):
        rooms = {"layers.txt": CLEAN["layers.txt"] + "base/ high low\n", "base/high/README.md": "x\n",
                 "base/low/README.md": "x\n", "base/low/l.c": '#include "base/a.h"\n#include "base/check.h"\n',
                 "base/high/h.h": '/* H. */\n#include "base/low/l.h"\n'}
        self.expect(rooms)
        self.expect({**rooms, "base/low/l.c": '#include "base/high/h.h"\n#include "base/check.h"\n'},
                    "base/low/l.c:1: base/low may not include base/high/h.h")

    def test_a_layer_own_folder_among_its_rooms(self):
        rooms = {"layers.txt": CLEAN["layers.txt"] + "base/ high . low\n", "base/low/README.md": "x\n",
                 "base/high/README.md": "x\n", "base/high/h.h": '/* H. */\n#include "base/a.h"\n',
                 "base/low/l.h": "/* L. */\n", "base/m.h": '/* M. */\n#include "base/low/l.h"\n'}
        self.expect(rooms)
        self.expect({**rooms, "base/low/l.h": '/* L. */\n#include "base/a.h"\n'},
                    "base/low/l.h:2: base/low may not include base/a.h")
        self.expect({**rooms, "base/m.h": '/* M. */\n#include "base/high/h.h"\n'},
                    "base/m.h:2: base may not include base/high/h.h")

    def test_a_room_without_a_place(self):
        rooms = {"layers.txt": CLEAN["layers.txt"] + "base/ low\n", "base/low/README.md": "x\n",
                 "base/low/l.h": "/* L. */\n"}
        self.expect(rooms)
        self.expect({**rooms, "base/new/README.md": "x\n", "base/new/n.h": "/* N. */\n"},
                    "layers.txt:1: base/new has no place")

    def test_no_layers_at_all(self):
        self.assertTrue(self.run_on({"layers.txt": ""})[0].startswith("layers.txt:1: no layers"))

    def test_what_is_inside_stays_inside(self):
        for words in ("A. Only inside\n * base.", "What a.c knows; inside base only.", "Private to this folder. A."):
            self.expect({"base/a.h": f"/* {words} */\nint a(void);\n", "protocol/p.h": CLEAN["protocol/p.h"].replace(
                         '#include "base/a.h"\n', ""), "tests/unit/broker/a.c": '#include "base/a.h"\n'},
                        "broker/b.c:1: base/a.h is for base alone")
        self.expect({"base/a.h": "/* A. */\n/* This one runs only inside base. */\nint a(void);\n"})

    def test_the_own_header_comes_first(self):
        self.expect({"base/a.c": '#include <stdio.h>\n#include "base/a.h"\n#include "base/check.h"\n'},
                    "base/a.c:1: the first include")

    def test_check_comes_last(self):
        self.expect({"bridge/b.c": "int x;\n"}, 'bridge/b.c:1: "base/check.h" is missing')
        self.expect({"bridge/b.c": '#include "base/check.h"\n#include <stdio.h>\n'}, "bridge/b.c:2: ")
        self.expect({"bridge/b.c": '#include "base/check.h"\n#include "protocol/schema/kafka_api.def"\n'})

    def test_banned_calls(self):
        for call in ("strcpy(a, b)", "sprintf(a, b)", "malloc(1)", "free(p)", "memcpy(a, b, 1)", "goto out",
                     "time(NULL)", "usleep(1)", "printf(a)", "fprintf(stderr, a)", "rand()", "typedef struct x y",
                     "strtol(a)", "kv_get(kv, KV_LOG, k, v)", "log_key_first(1)"):
            self.expect({"bridge/b.c": f'#include "base/check.h"\nint x;\n{call};\n'}, "bridge/b.c:3: ")

    def test_what_only_looks_banned(self):
        for text in ("x->free(p)", "/* malloc(1) */", '"goto"', "mem_free(p)", "my_time(1)", "info.time(1)",
                     "typedef enum err plan_fn(int x)"):
            self.expect({"bridge/b.c": f'#include "base/check.h"\n{text};\n'})
        self.expect({"base/a.c": CLEAN["base/a.c"] + "int y = malloc(1);\n"})

    def test_a_file_that_is_called_as_a_folder_that_is_left_out(self):
        self.expect({"bridge/build.c": '#include "base/check.h"\nint x = malloc(1);\n'}, "bridge/build.c:2: malloc")
        self.expect({"build-x/a.c": "malloc(1)\n", "bridge/build/a.c": "malloc(1)\n"})

    def test_words(self):
        for words in ("/work/x", "see /root/x", "/tmp/wt/x", "https://pypi.org/x", "TODO later"):
            self.expect({"docs/a.md": f"first\n{words}\n"}, "docs/a.md:2: ")
        self.expect({"docs/a.md": "a/work/b and ./root/x\n"})
        self.expect({"script/x": "<<<<<<< HEAD\n"}, "script/x:1: ")

    def test_layout(self):
        for code in ("void f(void)\n{\n    if(x) y();\n}\n", "void f(void) {\n}\n", "char* name;\n",
                     "int a;\n\n\nint b;\n", "/* ---- title ---- */\n",
                     "void f(void)\n{\n    if (x) {\n        y();\n    }\n    else z();\n}\n"):
            self.assertNotEqual(self.run_on({"bridge/b.c": f'#include "base/check.h"\n{code}'}), [], code)
        self.expect({"bridge/b.c": '#include "base/check.h"\n/* ---- Title */\nvoid f(void)\n{\n    if (x) y();\n'
                                   '    else z();   /* for(x) char* y */\n}\n'})

    def test_white_space(self):
        self.expect({"bridge/b.c": '#include "base/check.h" \n'}, "bridge/b.c:1: white space")
        self.expect({"bridge/b.c": '#include "base/check.h"\n\tint x;\n'}, "bridge/b.c:2: a tab")
        self.expect({"bridge/b.c": '#include "base/check.h"'}, "bridge/b.c:1: the last line")

    def test_contracts(self):
        header = "/* P. Fuzz: fuzz_p */\n{}\nenum err p_open(int x);\n"
        self.expect({"protocol/p.h": header.format("")},
                    "protocol/p.h:3: the comment of p_open() lacks Errors: and Thread:")
        self.expect({"protocol/p.h": header.format("/* Errors: none. */")},
                    "protocol/p.h:3: the comment of p_open() lacks Thread:")
        self.expect({"protocol/p.h": header.format("/* Errors: none.\n * Thread: any. */\nenum err p_a(int x);")})
        self.expect({"protocol/p.h": header.format("/* Errors: none. Thread: any. */\n")}, "protocol/p.h:4: ")
        self.expect({"protocol/p.h": "/* P. Fuzz: fuzz_p\n * Errors: none. Thread: any. */\nenum err p_a(int x);\n"})
        self.expect({"base/a.h": "int a(void);\n"}, "base/a.h:1: a header begins with a comment")

    def test_a_missing_readme(self):
        self.expect({"bridge/README.md": None}, "bridge/README.md:1: missing")
        self.expect({"tests/README.md": None}, "tests/README.md:1: missing")

    def test_a_page_that_names_what_is_not_there(self):
        self.expect({"docs/a.md": "`base/a.c` and `base/a.gen.c`\n`gone()` `else/x.c`\n"})
        self.expect({"docs/a.md": "x\n`base/b.c`\n"}, "docs/a.md:2: base/b.c is not there")
        self.expect({"docs/architecture.md": "`base/a.c` | `a()` |\n"})
        self.expect({"docs/architecture.md": "`base/a.c`: `b()`\n"}, "docs/architecture.md:1: b() is in no file")

    def test_a_parser_without_a_target(self):
        plain = CLEAN["protocol/p.h"].replace(" Fuzz: fuzz_p", "")
        self.expect({"protocol/p.h": plain}, "protocol/p.h:7: p_parse() parses bytes",
                    "tests/fuzz/fuzz_p.c:1: no header")
        self.expect({"protocol/p.h": plain.replace("P.", "P. Fuzz: none - two bytes."), "tests/fuzz/fuzz_p.c": None})
        self.expect({"protocol/p.h": CLEAN["protocol/p.h"].replace("fuzz_p", "fuzz_q")},
                    "protocol/p.h:1: there is no", "tests/fuzz/fuzz_p.c:1: no header")

    def test_a_target_without_seeds(self):
        self.expect({"tests/fuzz/corpus/p/one": None}, "tests/fuzz/fuzz_p.c:1: no seed")

    def test_a_served_api_without_a_test(self):
        self.expect({"tests/unit/broker/test_b.c": "TEST(fetch_waits) {}\n"},
                    "protocol/schema/kafka_api.def:1: LIST_OFFSETS")
        self.expect({"tests/interop/put.py": "client.put_records()\n"},
                    "protocol/schema/kinesis_api.def:1: PutRecord is")
        self.expect({"tests/interop/put.py": "client.putRecord()\n"}, "protocol/schema/kinesis_api.def:2: PutRecords")
        self.expect({"tests/interop/put.py": None, "tests/unit/protocol/x.c": "PutRecord PutRecords\n"},
                    "protocol/schema/kinesis_api.def:1: ", "protocol/schema/kinesis_api.def:2: ")

    def test_a_line_that_is_too_wide(self):
        self.expect({"base/a.h": "/* A. " + "x" * 91 + " */\n"})
        self.expect({"base/a.h": "/* A. " + "x" * 92 + " */\n"}, "base/a.h:1: 101 columns")
        for path, first in (("tests/a.py", ""), ("tests/a.sh", ""), ("script/a", "#!/bin/sh\n")):
            self.expect({path: first + "#" * 120 + "\n"})
            self.expect({path: first + "#" * 121 + "\n"}, f"{path}:{first.count(chr(10)) + 1}: 121 columns")
        self.expect({"script/a": "#" * 121 + "\n"})

    def test_sizes_are_printed_and_do_not_fail(self):
        body = "    x();\n" * 71
        changes = {"bridge/b.c": '#include "base/check.h"\n\nint long_one(void)\n{\n' + body + "}\n"}
        self.expect(changes)
        with tempfile.TemporaryDirectory() as root:
            os.makedirs(os.path.join(root, "bridge"))
            for path, text in {"layers.txt": CLEAN["layers.txt"], **changes}.items():
                with open(os.path.join(root, path), "w", encoding="utf-8") as f:
                    f.write(text)
            self.assertEqual(tidy.sizes(tidy.Tree(root)), ["bridge/b.c:4: long_one() has 71 lines (aim: 70)"])

    def test_the_program_fails_on_a_fault_and_on_an_empty_folder(self):
        with tempfile.TemporaryDirectory() as root, contextlib.redirect_stdout(io.StringIO()):
            for argv_root in (root, os.path.join(root, "missing")):
                sys.argv = ["tidy.py", argv_root]
                with self.assertRaises(SystemExit) as stop:
                    tidy.main()
                self.assertNotEqual(stop.exception.code, 0)


class CirclesTest(unittest.TestCase):
    """a needs b needs c needs a, in one layer; d needs a and is needed by nobody; another layer may be named."""
    NEEDS = {"base/a": {"b"}, "base/b": {"c"}, "base/c": {"a"}, "base/d": {"a", "p"}, "broker/p": {"a", "printf"}}
    HOME = {"a": "base/a", "b": "base/b", "c": "base/c", "d": "base/d", "p": "broker/p"}

    def judge(self, needs):
        with contextlib.redirect_stdout(io.StringIO()) as said:
            return circles.judge(circles.edges_of(needs, self.HOME)), said.getvalue()

    def test_a_circle_is_told_with_what_ties_it(self):
        wrong, said = self.judge(self.NEEDS)
        self.assertEqual(wrong, 1)
        self.assertIn("3 files in a circle: base/a base/b base/c\n", said)
        self.assertIn("base/c -> base/a: a\n", said)

    def test_a_tree_without_circles_has_none(self):
        self.assertEqual(self.judge({**self.NEEDS, "base/c": set()}), (0, ""))

    def test_an_edge_against_the_order_of_rooms(self):
        rooms = circles.rooms_of([["base"], ["base/", "high", "low", "."]])
        self.assertEqual(rooms, {"base/high": 0, "base/low": 1})
        home = {"h": "base/high/h", "l": "base/low/l", "o": "base/o"}
        for needs, wrong in (({"base/high/h": {"l", "o"}, "base/low/l": {"o"}}, 0), ({"base/low/l": {"h"}}, 1),
                             ({"base/o": {"h", "l"}}, 0), ({"base/else/x": {"h"}}, 0)):
            with contextlib.redirect_stdout(io.StringIO()) as said:
                self.assertEqual(circles.judge(circles.edges_of(needs, home), rooms), wrong)
            self.assertEqual(said.getvalue().count("of a room above its own"), wrong)

    def run_on_objects(self, sources):
        """The program's exit status and what it says for files compiled in the place of ones that there are."""
        with tempfile.TemporaryDirectory() as build:
            for path, text in sources.items():
                full = os.path.join(build, "CMakeFiles/diglot_base.dir", path + ".c.o")
                os.makedirs(os.path.dirname(full), exist_ok=True)
                subprocess.run(["cc", "-xc", "-c", "-", "-o", full], input=text, text=True, check=True)
            done = subprocess.run([sys.executable, circles.__file__, build], capture_output=True, text=True)
            return done.returncode, done.stdout

    def test_a_circle_that_was_planted_in_object_files(self):
        clean = {"base/heap": "int b(void); int a(void) { return b(); }", "base/map": "int b(void) { return 1; }"}
        self.assertEqual(self.run_on_objects(clean)[0], 0)
        status, said = self.run_on_objects({**clean, "base/map": "int a(void); int b(void) { return a(); }"})
        self.assertEqual(status, 1)
        self.assertIn("2 files in a circle: base/heap base/map\n", said)

    def test_an_upward_edge_that_was_planted_in_object_files(self):
        log = "int end(void) { return 1; }"
        self.assertEqual(self.run_on_objects({"storage/log/plog": log, "storage/topic/topic": "int t;"})[0], 0)
        status, said = self.run_on_objects({"storage/log/plog": log,
                                            "storage/topic/topic": "int end(void); int t(void) { return end(); }"})
        self.assertEqual(status, 1)
        self.assertIn("storage/topic/topic needs storage/log/plog of a room above its own: end\n", said)


if __name__ == "__main__":
    unittest.main()

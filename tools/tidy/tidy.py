#!/usr/bin/env python3
"""Holds the tree to the rules that a machine can check.

    tools/tidy/tidy.py [folder]      prints `file:line: what is wrong: what to do`, exits 1 if anything is

Each check is a generator of (file, line, text) over the Tree; CHECKS lists them. Sizes are printed
and never fail. test_tidy.py proves that every check can fail.
"""
import os
import re
import sys

SKIPPED = re.compile(r"^(\.git|\.deps|build.*|data|node_modules|__pycache__|\.venv)$")
SOURCE = (".c", ".h")
FUNCTION_LINES, FILE_LINES, HEADER_LINES = 70, 800, 250
COLUMNS = {".c": 100, ".h": 100, ".py": 120, ".sh": 120}


class Tree:
    """All text files below root, read once; paths relative to root with '/'."""

    def __init__(self, root):
        self.root = root
        self.files = {}
        for folder, names, files in os.walk(root):
            names[:] = sorted(n for n in names if not SKIPPED.match(n))
            for name in sorted(f for f in files if f != ".git"):
                path = os.path.join(folder, name)
                try:
                    with open(path, encoding="utf-8") as f:
                        self.files[os.path.relpath(path, root).replace(os.sep, "/")] = f.read()
                except (UnicodeDecodeError, OSError):
                    pass                      # golden bytes, sockets

        layers = self.files.get("layers.txt", "").splitlines()
        rows = [line.split() for line in layers if line.strip() and not line.startswith("#")]
        rooms = [row for row in rows if row[0].endswith("/")]
        rows = [row for row in rows if row not in rooms]
        self.rank = {name: -i for i, row in enumerate(rows) for name in row}
        self.rooms = {(folder + name).removesuffix("/."): -i for folder, *names in rooms
                      for i, name in enumerate(names)}

    def layer(self, path):
        top = path.split("/")[0]
        return top if top in self.rank else None

    def sources(self, *suffixes):
        """(path, text) of the C files of the layers."""
        return [(p, t) for p, t in self.files.items() if self.layer(p) and p.endswith(suffixes or SOURCE)]


def line_of(text, at):
    return text.count("\n", 0, at) + 1


def without_comments(text):
    """Comments and literals blanked, line breaks and columns kept."""
    def blank(m):
        s = m.group()
        return re.sub(r"[^\n]", " ", s) if s[0] == "/" else s[0] + re.sub(r"[^\n]", " ", s[1:-1]) + s[-1]
    return re.sub(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', blank, text, flags=re.S)


# -- layers ------------------------------------------------------------------------------------------

INCLUDE = re.compile(r'^#include\s+([<"])([^>"]+)[>"]', re.M)


def check_layers(tree):
    if not tree.rank:
        yield "layers.txt", 1, "no layers: list them, top to bottom"
    for path, text in tree.sources():
        own = tree.layer(path)
        for m in INCLUDE.finditer(text):
            other = tree.layer(m.group(2))
            if m.group(1) != '"' or other is None or other == own or tree.rank[other] < tree.rank[own]:
                continue
            yield path, line_of(text, m.start()), (
                f"{own} may not include {m.group(2)}: it stands above or beside; pass a value or a callback down, "
                "or move what both need below")


def check_rooms(tree):
    divided, lost = {os.path.dirname(room) for room in tree.rooms}, set()
    for path, text in tree.sources():
        own = os.path.dirname(path)
        if own not in tree.rooms:
            if own != tree.layer(path) and tree.layer(path) in divided:
                lost.add(own)
            continue
        for m in INCLUDE.finditer(text):
            other = os.path.dirname(m.group(2))
            if tree.layer(other) == tree.layer(own) and tree.rooms.get(other, -99) > tree.rooms[own]:
                yield path, line_of(text, m.start()), (
                    f"{own} may not include {m.group(2)}: its room stands above; pass a value or a callback down, "
                    "or move what both need below")
    for room in sorted(lost):
        yield "layers.txt", 1, f"{room} has no place among the rooms of its layer: give it one"


def check_include_order(tree):
    for path, text in tree.sources(".c"):
        includes = list(INCLUDE.finditer(text))
        own = path[:-2] + ".h"
        if own in tree.files and (not includes or includes[0].group(2) != own):
            yield path, line_of(text, includes[0].start()) if includes else 1, (
                f'the first include must be the file\'s own header "{own}"')
        headers = [m for m in includes if not m.group(2).endswith((".def", ".inc"))]
        if not headers or "base/check.h" not in [m.group(2) for m in headers]:
            yield path, 1, '"base/check.h" is missing: include it last'
        elif headers[-1].group(2) != "base/check.h":
            yield path, line_of(text, headers[-1].start()), '"base/check.h" must be the last include'


INSIDE = re.compile(r"only inside ([\w/]+)|inside ([\w/]+) only|private to (this folder)", re.I)


def check_inside(tree):
    """A header whose first comment says "only inside FOLDER" is included from there alone; tests may look in."""
    inside = {}
    for path, text in tree.sources(".h"):
        m = INSIDE.search(re.sub(r"\s*\n \* ?", " ", text.split("*/")[0]))
        if m:
            inside[path] = os.path.dirname(path) if m.group(3) else m.group(1) or m.group(2)
    for path, text in tree.sources():
        for m in INCLUDE.finditer(text):
            folder = inside.get(m.group(2))
            if folder and not path.startswith(folder + "/"):
                yield path, line_of(text, m.start()), (
                    f"{m.group(2)} is for {folder} alone, it says: ask what stands in front of it")


# -- what may be called where --------------------------------------------------------------------------

# (pattern, folders or files where it is legal, what to do)
BANNED = [
    (r"\b(strcpy|strcat|sprintf|vsprintf|strtok|gets|strncpy|strncat)\s*\(", (),
     "use bytes.h, arena_printf or snprintf"),
    (r"\b(atoi|atol|atoll|atof|strtol|strtoul|strtoll|strtoull)\s*\(", ("base/", "tools/"),
     "use bytes_to_i64 or bytes_to_u64"),
    (r"\b(malloc|calloc|realloc|free|strdup|strndup)\s*\(", ("base/",), "use mem.h, an arena or a slab"),
    (r"\b(memcpy|memmove)\s*\(", ("base/",), "use mem_copy or mem_move"),
    (r"\b(alloca|setjmp|longjmp)\s*\(", (), "not here at all"),
    (r"\b(rand|srand|random|drand48)\s*\(", (), "use RAND_bytes, or a seed passed in"),
    (r"\b(time|gettimeofday|clock_gettime|localtime|gmtime)\s*\(", ("base/",),
     "take now_ms as an argument or use base/clock.h"),
    (r"\b(sleep|usleep|nanosleep)\s*\(", (), "wait on a mailbox or a timer"),
    (r"\b(printf|puts|putchar|perror)\s*\(", ("tools/",), "log_*() where an error ends; return it elsewhere"),
    (r"\bfprintf\s*\(", ("base/log.c", "tools/"), "log_*() where an error ends; return it elsewhere"),
    (r"\bgoto\b", (), "early return and CLEANUP()"),
    (r"\btypedef\s+(struct|union|enum)\b(?!\s+\w+\s+\*?\w+\s*\()", (), "write struct x, union x, enum x"),
    (r"\bBASE_OWNS_MEMORY\b", ("base/",), "only base may"),
    (r"\bNDEBUG\b", (), "assert stays on in every build"),
    (r"\bKV_LOG\b|\blog_key(_first|_read)?\s*\(|\blog_range_first\s*\(", ("storage/engine/",),
     "storage/engine/runs.h knows how runs are kept"),
]


def check_banned(tree):
    for path, text in tree.sources():
        code = without_comments(text)
        for pattern, legal, remedy in BANNED:
            if path.startswith(legal):
                continue
            for m in re.finditer(pattern, code):
                if code[: m.start()].endswith(("->", ".")):
                    continue                  # a member of that name
                yield path, line_of(text, m.start()), f"{m.group().rstrip('( ')} is not used here: {remedy}"


def check_words(tree):
    """What must not be in the tree, in any file."""
    words = [
        (r"(?<![\w./-])/(work|root|home/\w+)/", "a machine's path: make it relative or a setting"),
        (r"/tmp/wt\b", "a machine's path"),
        (r"\b(pypi\.org|files\.pythonhosted\.org|registry\.npmjs\.org|repo1?\.maven\.(apache\.)?org|"
         r"deb\.debian\.org|proxy\.golang\.org)\b",
         "a registry's host: the client's own configuration names it"),
        (r"\b(TODO|FIXME|XXX|HACK)\b", "do it, or open an issue"),
        (r"^(<{7}|>{7}|={7})( |$)", "a conflict mark"),
    ]
    for path, text in tree.files.items():
        if path.startswith("tools/tidy/"):
            continue
        for pattern, remedy in words:
            for m in re.finditer(pattern, text, re.M):
                if path.endswith((".md", ".txt")) and pattern.startswith("^"):
                    continue                  # === underlines a title there
                yield path, line_of(text, m.start()), f"'{m.group().strip()}' does not belong here: {remedy}"


def check_white_space(tree):
    for path, text in tree.files.items():
        if not path.endswith(SOURCE + (".py", ".sh", ".def")):
            continue
        for n, line in enumerate(text.split("\n"), 1):
            if "\t" in line and not path.endswith(".sh"):
                yield path, n, "a tab: indent with spaces"
            if line != line.rstrip():
                yield path, n, "white space at the end of the line"
        if text and not text.endswith("\n"):
            yield path, text.count("\n") + 1, "the last line needs its line break"


# How C is laid out; comments and texts are left alone, but for a section's title.
LAYOUT = [
    (r"\b(?:if|for|while|switch)\(", "a blank between the word and its parenthesis"),
    (r"^\w[^\n;={}]*\)[ ]*\{$", "a function's brace stands on a line of its own"),
    (r"^[ ]*\}\n[ ]*else\b", "} else stand on one line"),
    (r"\b(?:char|int|void|bool|u?int\d+_t|size_t|struct \w+)\* \w", "the star belongs to the name"),
    (r"\n\n\n", "one empty line is enough"),
    (r"^[ ]+\{$\n^[ ]*\n", "no empty line behind a brace"),
]
SECTION = re.compile(r"/\* ---- (?:[A-Z]|\w+\.c\b)(?!.*-- \*/)")


def check_layout(tree):
    for path, text in tree.sources(".c", ".h"):
        code = without_comments(text)
        for pattern, remedy in LAYOUT:
            for m in re.finditer(pattern, code if pattern != r"\n\n\n" else text, re.M):
                yield path, line_of(text, m.start()), remedy
        for n, line in enumerate(text.split("\n"), 1):
            if line.startswith("/* --") and not SECTION.match(line):
                yield path, n, "a section's title: /* ---- Title */"


def check_columns(tree):
    """Tables of a .def file alone may be wider."""
    for path, text in tree.files.items():
        suffix = ".sh" if re.match(r"#!.*\b(ba)?sh\n", text) else os.path.splitext(path)[1]
        for n, line in enumerate(text.split("\n"), 1):
            if len(line) > COLUMNS.get(suffix, len(line)):
                yield path, n, f"{len(line)} columns: wrap the line at {COLUMNS[suffix]}"


# -- contracts -----------------------------------------------------------------------------------------

PROTOTYPE = re.compile(r"^(?:static inline |extern )?enum err (\w+)\(", re.M)


def comment_above(lines, n):
    """The comment that line n (0-based) belongs to: right above it, or above other prototypes that
    share it."""
    n -= 1
    while n >= 0 and lines[n].strip() and not lines[n].rstrip().endswith("*/"):
        n -= 1
    if n < 0 or not lines[n].strip():
        return ""
    last = n
    while n > 0 and not lines[n].lstrip().startswith("/*"):
        n -= 1
    return "\n".join(lines[n:last + 1])


def check_contracts(tree):
    for path, text in tree.sources(".h"):
        head = text[: text.find("*/")] if text.startswith("/*") else ""
        if not head:
            yield path, 1, "a header begins with a comment: what it is for"
        lines = text.split("\n")
        for m in PROTOTYPE.finditer(text):
            n = line_of(text, m.start())
            comment = comment_above(lines, n - 1) + head
            missing = [word for word in ("Errors:", "Thread:") if word not in comment]
            if missing:
                yield path, n, f"the comment of {m.group(1)}() lacks {' and '.join(missing)} (R7)"


def check_readmes(tree):
    folders = {os.path.dirname(p) for p, _ in tree.sources(".c", ".h", ".py")}
    for folder in sorted(folders | ({"tests"} if any(p.startswith("tests/") for p in tree.files) else set())):
        if f"{folder}/README.md" not in tree.files:
            yield f"{folder}/README.md", 1, "missing: what must hold, files in reading order, who calls in, threads"


GENERATED = re.compile(r"\.gen\.|^protocol/kafka/msg/")
NAMED = re.compile(r"`(\w[\w-]*/[\w./-]+\.(?:c|h|def|py|cmake|txt|md))`")
NAMED_FUNCTION = re.compile(r"`(\w+)\(\)`")


def check_named(tree):
    """What a page names is there: files by their path from the root, and in the page that says who hands what to whom
    each function, in a file of its line."""
    folders = {p.split("/")[0] for p in tree.files if "/" in p}
    for path, text in tree.files.items():
        if not path.endswith(".md") or path in ("CHANGELOG.md", "docs/roadmap.md"):     # of what was, what will be
            continue
        for n, line in enumerate(text.split("\n"), 1):
            named = [f for f in NAMED.findall(line) if f.split("/")[0] in folders and not GENERATED.search(f)]
            for file in named:
                if file not in tree.files and os.path.dirname(path) + "/" + file not in tree.files:
                    yield path, n, f"{file} is not there: name it as it is"
            for function in NAMED_FUNCTION.findall(line) if path == "docs/architecture.md" else []:
                if not any(re.search(rf"\b{function}\(", tree.files.get(f, "")) for f in named):
                    yield path, n, f"{function}() is in no file of that line"


# -- tests ---------------------------------------------------------------------------------------------

PARSER = re.compile(r"^[\w *]*?\b(\w*(?:decode|parse|peek|inflate|_feed)\w*)\("
                    r"[^;]*?(?:struct bytes \w|struct cursor \*|const uint8_t \*)", re.M)
FUZZ = re.compile(r"Fuzz:\s*(fuzz_\w+|none - \S)")


def check_fuzz(tree):
    targets = {p[len("tests/fuzz/"):-2] for p in tree.files if re.match(r"tests/fuzz/fuzz_\w+\.c$", p)}
    named = set()
    for path, text in tree.sources(".h"):
        marks = FUZZ.findall(text)
        for mark in marks:
            if mark.startswith("fuzz_") and mark not in targets:
                m = re.search(re.escape(mark), text)
                yield path, line_of(text, m.start()), f"there is no tests/fuzz/{mark}.c"
        named.update(marks)
        m = PARSER.search(text)
        if m and not marks:
            yield path, line_of(text, m.start(1)), (
                f"{m.group(1)}() parses bytes: name its target in the file's first comment as 'Fuzz: fuzz_x', or "
                "'Fuzz: none - why'")
    for target in sorted(targets):
        path = f"tests/fuzz/{target}.c"
        if target not in named:
            yield path, 1, f"no header names it: write 'Fuzz: {target}' where the parser is declared"
        corpus = os.path.join(tree.root, "tests/fuzz/corpus", target[len("fuzz_"):])
        if not os.path.isdir(corpus) or not os.listdir(corpus):
            yield path, 1, f"no seed inputs in tests/fuzz/corpus/{target[len('fuzz_'):]}"


def check_served(tree):
    """Each row of the two tables is named by a test of its handler (not of its bytes alone)."""
    tests = "\n".join(t for p, t in tree.files.items()
                      if re.match(r"tests/(?!golden|fuzz|conformance|unit/(base|protocol|storage))"
                                  r".*\.(c|h|py|js|mjs|ts|java|sh)$", p))
    rows = {"protocol/schema/kafka_api.def": r"^KAFKA\((\w+)", "protocol/schema/kinesis_api.def": r'^KINESIS\("(\w+)"'}
    for path, pattern in rows.items():
        text = tree.files.get(path, "")
        for m in re.finditer(pattern, text, re.M):
            words = [w.lower() for w in re.findall(r"[A-Z][a-z]+|[A-Z]+", m.group(1))]
            snake, camel = "_".join(words), "".join(w.capitalize() for w in words)
            name = f"({snake}|{snake.upper()}|{camel}|{camel[0].lower() + camel[1:]})"
            if not re.search(rf"(?<![A-Za-z]){name}(?![A-Za-z])", tests):
                yield path, line_of(text, m.start()), f"{m.group(1)} is served but no test below tests/ names it"


# -- sizes: printed, never failing -----------------------------------------------------------------------

def functions(text):
    """(name, line, lines) of each function body in Linux braces."""
    start, name, last = 0, "", ""
    for n, line in enumerate(text.split("\n"), 1):
        if line == "{":
            start, name = n, last
        elif line == "}" and start:
            yield name, start, n - start - 1
            start = 0
        elif line and not line[0].isspace() and (m := re.search(r"(\w+)\(", line)):
            last = m.group(1) if m.group(1) != "TEST" else line
    return


def sizes(tree):
    long = []
    for path, text in tree.sources():
        lines = text.count("\n")
        limit = HEADER_LINES if path.endswith(".h") else FILE_LINES
        if lines > limit:
            long.append(f"{path}: {lines} lines (aim: {limit})")
        for name, line, count in functions(text):
            if count > FUNCTION_LINES:
                long.append(f"{path}:{line}: {name}() has {count} lines (aim: {FUNCTION_LINES})")
    return long


CHECKS = [check_layers, check_rooms, check_inside, check_include_order, check_banned, check_words, check_white_space,
          check_layout, check_columns, check_contracts, check_readmes, check_named, check_fuzz, check_served]


def main():
    tree = Tree(sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(__file__), "..", ".."))
    if not tree.sources():
        sys.exit("tidy: no sources found below " + tree.root)
    found = [f"{path}:{line}: {text}" for check in CHECKS for path, line, text in check(tree)]
    for line in sizes(tree):
        print("size:", line)
    for line in found:
        print(line)
    print(f"tidy: {len(tree.files)} files, {len(found)} findings")
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()

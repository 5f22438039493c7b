#!/usr/bin/env python3
"""circles.py BUILD_DIR [NM]: files of one layer that need each other in a circle, and those that need a room of their
layer that stands above theirs (layers.txt), read from the object files.

An edge is a symbol that one file leaves undefined and another one defines (`nm`). tidy.py holds layers and rooms to
their order by their includes; a function that one room declares and another one has is seen here alone. Exit status 1
when there is such a thing: each is told with the symbols that tie it.
"""
import collections
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
TIES_TOLD = 4


def read(objects, nm):
    """({file: symbols that it leaves to others}, {symbol: file}); a file without suffix: base/net/conn."""
    needs, home = collections.defaultdict(set), {}
    # "CMakeFiles/base.dir/base/net/conn.c.o:0000000000000123 T conn_open"; an undefined one has no address.
    for line in subprocess.run([nm, "-A", *objects], capture_output=True, text=True, check=True).stdout.splitlines():
        name, kind, symbol = re.search(r"\.dir/(.*)\.c\.o:.* ([a-zA-Z]) (\S+)$", line).groups()
        if kind == "U":
            needs[name].add(symbol)
        elif kind in "TDBRC":
            home.setdefault(symbol, name)
    return needs, home


def edges_of(needs, home):
    """{file: {file of the same layer that it needs: symbols}}"""
    edges = collections.defaultdict(lambda: collections.defaultdict(set))
    for name, symbols in needs.items():
        for symbol in symbols:
            other = home.get(symbol, name)
            if other != name and other.split("/")[0] == name.split("/")[0]:
                edges[name][other].add(symbol)
    return edges


def circles(edges):
    """Sets of files that all reach each other (Tarjan, without recursion)."""
    index, low, stack, found = {}, {}, [], []
    for root in sorted(edges):
        if root in index:
            continue
        index[root] = low[root] = len(index)
        stack.append(root)
        path = [(root, iter(sorted(edges[root])))]
        while path:
            name, rest = path[-1]
            other = next(rest, None)
            if other is not None and other not in index:
                index[other] = low[other] = len(index)
                stack.append(other)
                path.append((other, iter(sorted(edges.get(other, ())))))
            elif other is not None:
                low[name] = min(low[name], index[other]) if other in stack else low[name]
            else:
                path.pop()
                if path:
                    low[path[-1][0]] = min(low[path[-1][0]], low[name])
                if low[name] == index[name]:
                    at = stack.index(name)
                    found, stack = found + [set(stack[at:])], stack[:at]
    return [circle for circle in found if len(circle) > 1]


def tell(circle, edges):
    print(f"{len(circle)} files in a circle: {' '.join(sorted(circle))}")
    for name in sorted(circle):
        for other in sorted(circle & set(edges[name])):
            print(f"    {name} -> {other}: {' '.join(sorted(edges[name][other])[:TIES_TOLD])}")


def upward(edges, rooms):
    """[(file, file of a higher room that it needs)]. rooms: {folder: rank}, the highest first."""
    def rank(name):
        return rooms.get(name.rpartition("/")[0])
    return [(name, other) for name in sorted(edges) for other in sorted(edges[name])
            if rank(name) is not None and rank(other) is not None and rank(other) < rank(name)]


def judge(edges, rooms=None):
    """The number of circles, and of edges against the order of rooms."""
    found, up = circles(edges), upward(edges, rooms or {})
    for circle in found:
        tell(circle, edges)
    for name, other in up:
        print(f"{name} needs {other} of a room above its own: {' '.join(sorted(edges[name][other])[:TIES_TOLD])}")
    return len(found) + len(up)


def rooms_of(rows):
    """From "storage/ check log .": {"storage/check": 0, "storage/log": 1}. The own folder has tables that name what is
    in its rooms."""
    return {row[0] + name: rank for row in rows if row[0].endswith("/")
            for rank, name in enumerate(row[1:]) if name != "."}


def main(build, nm="nm"):
    rows = [line.split() for line in (ROOT / "layers.txt").read_text().splitlines()
            if line and not line.startswith("#")]
    layers = {name for row in rows if not row[0].endswith("/") for name in row}
    # A build folder keeps the objects of files that were moved or removed.
    objects = [p for p in pathlib.Path(build).glob("CMakeFiles/*.dir/**/*.c.o")
               if re.search(r"\.dir/([^/]*)", str(p))[1] in layers
               and (ROOT / re.search(r"\.dir/(.*)\.o$", str(p))[1]).exists()]
    if not objects:
        sys.exit(f"no object files below {build}: build first")
    wrong = judge(edges_of(*read(objects, nm)), rooms_of(rows))
    print(f"circles: {len(objects)} files, {wrong} findings")
    return wrong > 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

#!/usr/bin/env python3
"""circles.py BUILD_DIR [NM]: files of one layer that need each other in a circle, read from the object files.

An edge is a symbol that one file leaves undefined and another one defines (`nm`). tidy.py holds the layers to their
order by their includes; within a layer nothing else keeps files apart. Exit status 1 when there is a circle: each is
told with the symbols that tie it.
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


def judge(edges):
    """The number of circles."""
    found = circles(edges)
    for circle in found:
        tell(circle, edges)
    return len(found)


def main(build, nm="nm"):
    layers = {name for line in (ROOT / "layers.txt").read_text().splitlines() if not line.startswith("#")
              for name in line.split()}
    # A build folder keeps the objects of files that were moved or removed.
    objects = [p for p in pathlib.Path(build).glob("CMakeFiles/*.dir/**/*.c.o")
               if re.search(r"\.dir/([^/]*)", str(p))[1] in layers
               and (ROOT / re.search(r"\.dir/(.*)\.o$", str(p))[1]).exists()]
    if not objects:
        sys.exit(f"no object files below {build}: build first")
    wrong = judge(edges_of(*read(objects, nm)))
    print(f"circles: {len(objects)} files, {wrong} findings")
    return wrong > 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

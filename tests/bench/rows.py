"""What a row of docs/benchmarks.md is, and what every row measures with."""
import dataclasses
import os
import pathlib
import statistics
import subprocess
from typing import Callable, Optional

ROOT = pathlib.Path(__file__).resolve().parents[2]
LOAD = pathlib.Path(os.environ.get("DIGLOT_BENCH_LOAD", ROOT / "build" / "tests" / "bench_load"))


@dataclasses.dataclass
class Row:
    """measure(server, run) -> {metric: number}, run counting from 0 for the warm-up. metrics: name ->
    (heading, digits, whether less is better). fresh: measure starts its own servers; server is then
    the side's class. goal: as docs and design state it."""
    key: str
    title: str
    metrics: dict
    measure: Callable
    goal: str
    prepare: Optional[Callable] = None
    fresh: bool = False


def load(*arguments, program=LOAD):
    """Run a generator; its pairs as numbers."""
    done = subprocess.run([str(program), *map(str, arguments)], capture_output=True, text=True, timeout=300)
    if done.returncode != 0:
        raise RuntimeError(f"load {' '.join(map(str, arguments))}: {done.stderr[-2000:]}")
    return {name: float(value) for name, value in (pair.split("=") for pair in done.stdout.split())}


def with_cpu(server, work):
    """(what work() gave, CPU seconds that the server took meanwhile)"""
    before = server.cpu_seconds()
    result = work()
    return result, server.cpu_seconds() - before


def median(runs, metric):
    return statistics.median(run[metric] for run in runs)

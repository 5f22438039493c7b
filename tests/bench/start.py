#!/usr/bin/env python3
"""How long a start takes with a long log behind it, and what the server holds then.

    tests/bench/start.py [--gib 100] [--partitions 10000] [--record 60000] [--starts 5] [--data-dir D]

The log is written through the Kafka door, record by record over all partitions; behind its end the payload of full
files is punched out of them as it goes, so that the disk need not have the room: index, pointers, catalog, marks and
the files' lengths are real, and a start reads nothing of what is gone. Printed for each start, after a clean stop and
after kill -9 beside writes: the time until the port answers, CPU seconds until then, resident memory. With --cold
(as root) the page cache is dropped before each.
"""
import argparse
import ctypes
import os
import pathlib
import sys
import tempfile
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "interop")]

import hostile_inputs  # noqa: E402
from lib import admin, bad, wire  # noqa: E402
from lib.server import Diglot  # noqa: E402

GIB, KEPT = 1 << 30, 64 << 10
A_REQUEST, AHEAD = 100, 3               # partitions; requests
PUNCH_HOLE_KEEP_SIZE = 0x03
libc = ctypes.CDLL(None, use_errno=True)


def punch(path):
    """All but a block at either end."""
    size = path.stat().st_size
    if size <= 2 * KEPT:
        return
    fd = os.open(path, os.O_RDWR)
    try:
        if libc.fallocate(fd, PUNCH_HOLE_KEEP_SIZE, ctypes.c_long(KEPT), ctypes.c_long(size - 2 * KEPT)) != 0:
            raise OSError(ctypes.get_errno(), f"{path}: no holes here")
    finally:
        os.close(fd)


class Puncher(threading.Thread):
    """Keeps the newest files whole."""

    def __init__(self, folder):
        super().__init__(daemon=True)
        self.folder, self.going, self.punched = folder, True, set()

    def run(self):
        while self.going:
            files = sorted((p for p in self.folder.rglob("*") if p.is_file() and p.stat().st_size >= 100 << 20),
                           key=lambda p: p.stat().st_mtime)
            for path in files[:-4]:
                if path not in self.punched:
                    punch(path)
                    self.punched.add(path)
            time.sleep(0.2)


class Writer(threading.Thread):
    """One record to each partition, in turn, again and again, some requests ahead of their answers."""

    def __init__(self, server, options):
        super().__init__(daemon=True)
        batch = hostile_inputs.record_batch_of(os.urandom(options.record))
        self.requests = [hostile_inputs.produce("long", [(i, batch) for i in range(at, at + A_REQUEST)])
                         for at in range(0, options.partitions, A_REQUEST)]
        self.address, self.going = server.kafka, True

    def run(self):
        try:
            with wire.Raw(self.address, 60) as raw:
                sent = 0
                while self.going:
                    raw.send(self.requests[sent % len(self.requests)])
                    sent += 1
                    if sent > AHEAD:
                        raw.receive()
                for _ in range(min(sent, AHEAD)):
                    raw.receive()
        except ConnectionError:
            if self.going:
                raise


def written(server):
    return bad.scrape(server)["diglot_storage_live_bytes"]


def fill(server, options):
    admin.create_topic(server, "long", options.partitions)
    puncher, writer = Puncher(server.data), Writer(server, options)
    puncher.start()
    writer.start()
    began, cpu = time.monotonic(), server.cpu_seconds()
    while written(server) < options.gib * GIB:
        time.sleep(5)
        print(f"{written(server) / GIB:6.1f} GiB after {time.monotonic() - began:4.0f} s, CPU "
              f"{server.cpu_seconds() - cpu:.0f} s", flush=True)
    for thread in (writer, puncher):
        thread.going = False
        thread.join()


def drop_page_cache():
    os.sync()
    pathlib.Path("/proc/sys/vm/drop_caches").write_text("3")


def start(server, options, what):
    if options.cold:
        drop_page_cache()
    began = time.monotonic()
    server.start()
    seconds, cpu = time.monotonic() - began, server.cpu_seconds()
    print(f"start {what}: {1000 * seconds:5.0f} ms, CPU {cpu:.2f} s, {server.rss_bytes() / (1 << 20):.0f} MiB",
          flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gib", type=float, default=100)
    parser.add_argument("--partitions", type=int, default=10_000)
    parser.add_argument("--record", type=int, default=60_000)
    parser.add_argument("--starts", type=int, default=5)
    parser.add_argument("--cold", action="store_true")
    parser.add_argument("--data-dir")
    options = parser.parse_args()
    folder = tempfile.mkdtemp(prefix="diglot-start-", dir=options.data_dir)
    with Diglot(["--limits", "off"], data_dir=folder) as server:
        fill(server, options)
        for _ in range(options.starts):
            server.stop(120)
            start(server, options, "after a stop")
        for _ in range(options.starts):
            writer = Writer(server, options)
            writer.start()
            time.sleep(3)
            writer.going = False
            server.kill()
            writer.join()
            start(server, options, "after kill -9")


if __name__ == "__main__":
    main()

"""Servers under test: Diglot, and Apache Kafka to prove the tests themselves and to measure beside.

A server has: kafka, kinesis, admin (addresses, None where it has no such door), start(), stop(),
kill(), restart() on the same data, pid, cpu_seconds(), rss_bytes(), output().
"""
import http.client
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

from . import sanitizer, wire

ROOT = pathlib.Path(__file__).resolve().parents[3]
DEPS = pathlib.Path(os.environ.get("DIGLOT_DEPS", ROOT / ".deps"))
# The programs that tests/deps/install.sh checked, and Debian's own: another version may stand first in PATH.
os.environ["PATH"] = f"{DEPS}/bin:/usr/sbin:/usr/bin:/sbin:/bin"
BINARY = pathlib.Path(os.environ.get("DIGLOT_BINARY", ROOT / "build" / "diglot"))


class ServerDied(Exception):
    pass


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Process:
    """A server process with its own directory, which goes away with it."""

    kafka = kinesis = admin = None

    def __init__(self, data_dir=None):
        self.own_dir = data_dir is None
        self.dir = pathlib.Path(data_dir or tempfile.mkdtemp(prefix="diglot-test-"))
        self.dir.mkdir(parents=True, exist_ok=True)
        self.log_path = self.dir / "server.log"
        self.process = None

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.close()

    @property
    def pid(self):
        return self.process.pid

    def running(self):
        return self.process is not None and self.process.poll() is None

    def _spawn(self, command, **more):
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT,
                                            stdin=subprocess.DEVNULL, **more)

    def _wait(self, ready, timeout_s, pause_s=0.02):
        deadline = time.monotonic() + timeout_s
        while not ready():
            if not self.running():
                raise ServerDied(f"exit status {self.process.returncode}:\n{self.output()[-4000:]}")
            if time.monotonic() > deadline:
                self.kill()
                raise ServerDied(f"not ready after {timeout_s} s:\n{self.output()[-4000:]}")
            time.sleep(pause_s)

    def output(self):
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def stop(self, timeout_s=30):
        """Ask it to end and wait; returns the exit status."""
        if self.running():
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(timeout_s)
            except subprocess.TimeoutExpired:
                self.kill()
                raise ServerDied(f"still running {timeout_s} s after SIGTERM") from None
        return self.process.returncode if self.process else None

    def kill(self):
        if self.running():
            self.process.kill()
            self.process.wait()

    def restart(self):
        self.stop()
        return self.start()

    def close(self):
        """A server with a sanitizer in it is asked to end, since leaks are looked for when it does."""
        try:
            if sanitizer.in_use() and self.running():
                status = self.stop(60)
                assert status == 0, f"exit status {status}:\n{self.output()[-4000:]}"
        finally:
            self._discard()

    def _discard(self):
        self.kill()
        if self.own_dir:
            shutil.rmtree(self.dir, ignore_errors=True)

    def cpu_seconds(self):
        """User and system time of the process so far."""
        fields = pathlib.Path(f"/proc/{self.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def rss_bytes(self):
        status = pathlib.Path(f"/proc/{self.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+) kB", status)[1]) * 1024


class Diglot(Process):
    """options: further flags of `diglot serve`, as a list. Free ports are taken at the first start and
    kept over restarts, as clients expect of a server that comes back."""

    name = "diglot"
    changes_at_once = True              # what an admin client was answered is so from then on

    def __init__(self, options=(), data_dir=None, binary=None, environment=None):
        super().__init__(data_dir)
        self.binary = binary or BINARY
        self.options = list(options)
        self.data = self.dir / "data"
        self.environment = environment or {}

    def spawn(self):
        """The process alone, without waiting for it: for those who measure how long that takes."""
        self._spawn([str(self.binary), "serve", "--data-dir", str(self.data),
                     "--kafka", self.kafka or "127.0.0.1:0",
                     "--kinesis", self.kinesis or "127.0.0.1:0",
                     "--admin", self.admin or "127.0.0.1:0", *self.options],
                    env={**os.environ, **self.environment})

    def start(self):
        # Lines of an earlier start must not be taken for this one's.
        seen = len(self.output())
        self.spawn()
        self._wait(lambda: self._read_addresses(self.output()[seen:]), 30, pause_s=0.005)
        self._wait(lambda: wire.metadata_ready(self.kafka), 30, pause_s=0.005)
        return self

    def _read_addresses(self, text):
        found = {}
        for door in ("kafka", "kinesis", "admin"):
            match = re.search(rf"\b{door}\b[^\n]*?\b(127\.0\.0\.1:\d+)", text, re.IGNORECASE)
            if match:
                found[door] = match[1]
        if len(found) < 3:
            return False
        self.kafka, self.kinesis, self.admin = found["kafka"], found["kinesis"], found["admin"]
        return True

    def readiness(self):
        """The status of /readyz; None when the door is closed."""
        try:
            with urllib.request.urlopen(f"http://{self.admin}/readyz", timeout=10) as answer:
                return answer.status
        except urllib.error.HTTPError as refusal:
            return refusal.code
        except (urllib.error.URLError, ConnectionError, http.client.HTTPException):
            return None

    def check(self):
        """`diglot check` on the stopped data directory: (exit status, output)."""
        done = subprocess.run([str(self.binary), "check", "--data-dir", str(self.data)],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=600)
        return done.returncode, done.stdout


class ApacheKafka(Process):
    """One node, KRaft, as small as its own documentation makes it. properties: further settings."""

    name = "apache-kafka"
    changes_at_once = False

    def __init__(self, properties=None, heap="1G", data_dir=None):
        super().__init__(data_dir)
        self.heap = heap
        self.properties = properties or {}
        self.jars = str(DEPS / "kafka" / "lib" / "*")

    def start(self):
        if self.kafka is None:
            self._format()
        self.spawn()
        self._wait(lambda: wire.metadata_ready(self.kafka), 120)
        return self

    def close(self):
        """No sanitizer is in it, and SIGTERM ends a JVM with 143."""
        self._discard()

    def spawn(self):
        self._spawn(["java", f"-Xms{self.heap}", f"-Xmx{self.heap}", "-XX:+UseG1GC", "-cp", self.jars,
                     "kafka.Kafka", str(self.dir / "server.properties")])

    def _format(self):
        self.kafka = f"127.0.0.1:{free_port()}"
        controller = f"127.0.0.1:{free_port()}"
        settings = {
            "process.roles": "broker,controller",
            "node.id": "1",
            "controller.quorum.voters": f"1@{controller}",
            "listeners": f"PLAINTEXT://{self.kafka},CONTROLLER://{controller}",
            "advertised.listeners": f"PLAINTEXT://{self.kafka}",
            "controller.listener.names": "CONTROLLER",
            "log.dirs": str(self.dir / "data"),
            "num.partitions": "4",
            "offsets.topic.replication.factor": "1",
            "offsets.topic.num.partitions": "4",
            "transaction.state.log.replication.factor": "1",
            "transaction.state.log.min.isr": "1",
            "transaction.state.log.num.partitions": "4",
            "share.coordinator.state.topic.replication.factor": "1",
            "share.coordinator.state.topic.min.isr": "1",
            "group.coordinator.rebalance.protocols": "classic,consumer,share,streams",
            "group.initial.rebalance.delay.ms": "0",
            **self.properties,
        }
        (self.dir / "server.properties").write_text("".join(f"{k}={v}\n" for k, v in settings.items()))
        tool = ["java", "-cp", self.jars, "kafka.tools.StorageTool"]
        uuid = subprocess.run([*tool, "random-uuid"], check=True, capture_output=True, text=True).stdout.split()[-1]
        subprocess.run([*tool, "format", "-t", uuid, "-c", str(self.dir / "server.properties")],
                       check=True, capture_output=True)

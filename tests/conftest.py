"""Which server is under test, and the fixtures that start it.

--server diglot (default) or apache-kafka, which proves the tests themselves. --build FOLDER takes the binary of
another build folder, DIGLOT_BINARY another binary; DIGLOT_SEED replays a random test. With a build of
tests/sanitize.sh a report of a sanitizer fails the test that ran, and a server that does not end well does.
"""
import itertools
import os
import pathlib
import random
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent / "interop"))

from lib import sanitizer  # noqa: E402
from lib import server as servers  # noqa: E402

_names = itertools.count(1)
DIGLOT_ALONE = ("kinesis_", "cross_", "crash_", "differential_groups", "reshard_", "command_", "tour", "kcl", "bad_",
                "full_disk", "graceful_stop", "metrics", "clocks")


def pytest_addoption(parser):
    parser.addoption("--server", choices=("diglot", "apache-kafka"), default="diglot")
    parser.addoption("--full", action="store_true", help="the long tests too")
    parser.addoption("--build", metavar="FOLDER", help="the build folder whose binary is tested")


def pytest_configure(config):
    build = config.getoption("--build")
    if build:
        servers.BINARY = pathlib.Path(build).resolve() / "diglot"
        sanitizer.use(build)


def pytest_unconfigure(config):
    sanitizer.done()


def pytest_collection_modifyitems(config, items):
    kafka_only = config.getoption("--server") == "apache-kafka"
    for item in items:
        if item.get_closest_marker("full") and not config.getoption("--full"):
            item.add_marker(pytest.mark.skip(reason="--full alone"))
        if sanitizer.in_use() and item.get_closest_marker("measures"):
            item.add_marker(pytest.mark.skip(reason="a sanitizer takes memory and time of its own"))
        if kafka_only and item.path.name.startswith(DIGLOT_ALONE):
            item.add_marker(pytest.mark.skip(reason="Apache Kafka has no such door"))


def _nothing_reported():
    found = sanitizer.reports()
    assert not found, found


@pytest.fixture(scope="session", autouse=True)
def no_reports_in_the_end():
    yield
    _nothing_reported()


@pytest.fixture(autouse=True)
def no_reports(no_reports_in_the_end):
    yield
    _nothing_reported()


@pytest.fixture(scope="session")
def start_server(request, no_reports_in_the_end):
    """start_server(*options): a fresh server of the kind under test, not started yet."""
    if request.config.getoption("--server") == "apache-kafka":
        return lambda *options: servers.ApacheKafka()
    return lambda *options: servers.Diglot(options)


@pytest.fixture(scope="session")
def server(start_server):
    """One server for all the tests that do not harm it."""
    with start_server() as running:
        yield running


@pytest.fixture
def fresh_server(start_server):
    """A server of the test's own, to stop, restart or fill."""
    with start_server() as running:
        yield running


@pytest.fixture
def topic(request):
    """A name that no other test uses."""
    plain = "".join(c if c.isalnum() else "-" for c in request.node.name)[:60]
    return f"{plain}-{os.getpid()}-{next(_names)}"


@pytest.fixture
def rng(request):
    """Seeded, and the seed is printed with a failure."""
    seed = int(os.environ.get("DIGLOT_SEED", random.SystemRandom().getrandbits(32)))
    print(f"DIGLOT_SEED={seed}")
    return random.Random(seed)

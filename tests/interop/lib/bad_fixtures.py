"""The server that tests of bad input share in a file, and its bystanders. Imported into each such file."""
import pytest

from . import admin, bad


@pytest.fixture(scope="module")
def tough(start_server):
    """A server that loses its patience soon."""
    with start_server("--handshake-timeout-ms", "300", "--read-timeout-ms", "400", "--write-timeout-ms", "1000",
                      "--limits", "off") as running:
        admin.create_topic(running, "stored", 1)
        yield running
        assert running.stop() == 0
        code, told = running.check()
        assert code == 0, told


@pytest.fixture(scope="module")
def bystanders(tough):
    them = bad.Bystanders(tough)
    yield them
    them.close()


@pytest.fixture
def nothing_stored(tough):
    with bad.end_offset_stays(tough, "stored"):
        yield

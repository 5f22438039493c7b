"""HTTP/2 at the Kinesis door: floods, broken frames, windows that never open. Each ends in an error of the protocol,
and the connection in a GOAWAY or closed; its counter moves; other connections are served meanwhile."""
import struct

import pytest
from lib import bad
from lib.bad import (ACK, CONTINUATION, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, PING, PREFACE, PRIORITY, RST,
                     SETTINGS, WINDOW, Http, Http2, closed, frame, h2_head, header_block, refused, setting, unharmed)
from lib.bad_fixtures import bystanders, nothing_stored, tough  # noqa: F401

pytestmark = pytest.mark.usefixtures("nothing_stored")
NO_ERROR, PROTOCOL_ERROR, REFUSED_STREAM, CALM = 0, 1, 7, 11
STREAM = {"StreamName": "stored"}
FLOODED = {closed("kinesis", "flood"): 1}


def flood(http, piece, pieces):
    """Sends until the server hangs up; more than any client may."""
    for _ in range(pieces):
        if not http.send(piece):
            return


def test_the_requests_that_those_below_differ_from(tough, bystanders):
    with unharmed(tough, bystanders, {closed("kinesis", "peer"): 1}), Http2(tough.kinesis) as http:
        for stream in (1, 3):
            http.ask(stream, "ListShards", STREAM)
            assert b"shardId-000000000000" in http.until(DATA, stream=stream)[3]


OPEN = frame(HEADERS, END_HEADERS, 1, h2_head("PutRecord"))
FLOODS = {
    "ping": (frame(PING, payload=bytes(8)) * 100, b""),
    "ping-acks": (frame(PING, ACK, payload=bytes(8)) * 100, b""),
    "settings": (frame(SETTINGS, payload=setting(4, 65535)) * 100, b""),
    "priority": (frame(PRIORITY, 0, 5, struct.pack(">IB", 3, 1)) * 100, b""),
    "empty-data": (frame(DATA, 0, 1) * 100, OPEN),
}


@pytest.mark.parametrize("case", FLOODS)
def test_a_flood(tough, bystanders, case):
    pieces, before = FLOODS[case]
    with unharmed(tough, bystanders, FLOODED), Http2(tough.kinesis) as http:
        http.send(before)
        flood(http, pieces, 1000)
        assert http.goaway() in (CALM, None)            # a reset may overtake the frame


@pytest.mark.measures
@pytest.mark.parametrize("whole", [False, True], ids=["head", "whole"])
def test_a_rapid_reset(tough, bystanders, whole):
    """CVE-2023-44487: each request is taken back at once, so that no limit on open streams ever holds."""
    head, body = h2_head("ListShards", 23), b'{"StreamName":"stored"}'
    before = bad.rss_mib(tough)
    with unharmed(tough, bystanders, FLOODED), Http2(tough.kinesis) as http:
        for first in range(1, 20_001, 100):
            http.send(b"".join(frame(HEADERS, END_HEADERS, stream, head)
                               + (frame(DATA, END_STREAM, stream, body) if whole else b"")
                               + frame(RST, 0, stream, bytes(4))
                               for stream in range(first, first + 100, 2)))
        assert http.goaway() in (CALM, None)
    assert bad.rss_mib(tough) - before < 16


@pytest.mark.measures
def test_endless_continuations(tough, bystanders):
    """CVE-2024-27316 and its kin: a head that never ends."""
    piece = frame(CONTINUATION, 0, 1, header_block(("x", "y" * 100)) * 100)
    before = bad.rss_mib(tough)
    with unharmed(tough, bystanders, {closed("kinesis", "flood"): 1}), Http2(tough.kinesis) as http:
        http.send(frame(HEADERS, 0, 1, h2_head("PutRecord")))
        flood(http, piece, 10_000)
        http.goaway()
    assert bad.rss_mib(tough) - before < 8


def test_a_head_beyond_the_limit(tough, bystanders):
    big = frame(HEADERS, END_HEADERS | END_STREAM, 1, h2_head("PutRecord") + header_block(("x", "y" * 4000)) * 3)
    more = frame(HEADERS, 0, 3, h2_head("PutRecord") + header_block(("x", "y" * 4000)) * 3) \
        + frame(CONTINUATION, END_HEADERS, 3, header_block(("x", "y" * 4000)) * 3)
    with unharmed(tough, bystanders, {refused("kinesis"): 1, bad.exception("SerializationException"): 1,
                                      closed("kinesis", "peer"): 1}), Http2(tough.kinesis) as http:
        http.send(big)
        assert http.until(HEADERS, stream=1)[3][:1] != b""
        http.send(more)
        http.until(HEADERS, stream=3)


BROKEN = {
    "frame-size": frame(DATA, 0, 1, bytes(16_385)), "ping-size": frame(PING, 0, 0, bytes(7)),
    "settings-size": frame(SETTINGS, 0, 0, bytes(5)), "settings-stream": frame(SETTINGS, 0, 1, setting(4, 1)),
    "window-zero": frame(WINDOW, 0, 0, bytes(4)), "window-overflow": frame(WINDOW, 0, 0, struct.pack(">I", 2**31 - 1)),
    "setting-window": frame(SETTINGS, 0, 0, setting(4, 2**31)), "setting-frame": frame(SETTINGS, 0, 0, setting(5, 5)),
    "stream-0": frame(HEADERS, END_HEADERS, 0, h2_head("PutRecord")),
    "even": frame(HEADERS, END_HEADERS, 2, h2_head("PutRecord")),
    "data-first": frame(DATA, 0, 5, b"x"), "hpack": frame(HEADERS, END_HEADERS, 1, b"\xff\xff\xff\xff\xff\xff\xff"),
    "hpack-table": frame(HEADERS, END_HEADERS, 1, b"\x3f\xff\xff\xff\x0f"),
    "continuation": frame(CONTINUATION, END_HEADERS, 1, b""),
    "padding": frame(DATA, 8, 1, b"\xff" + bytes(10)), "push": frame(5, END_HEADERS, 1, bytes(8)),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_frame(tough, bystanders, case):
    with unharmed(tough, bystanders, {closed("kinesis", "protocol_error"): 1}), Http2(tough.kinesis) as http:
        http.send(BROKEN[case])
        assert http.goaway() not in (NO_ERROR, CALM)


def test_a_preface_without_settings(tough, bystanders):
    with unharmed(tough, bystanders, {closed("kinesis", "protocol_error"): 1}), Http(tough.kinesis) as http:
        http.send(PREFACE + frame(PING, payload=bytes(8)))
        assert http.ended()


def test_half_a_body_and_silence(tough, bystanders):
    """The stream is reset; the connection goes on."""
    with unharmed(tough, bystanders, {'diglot_net_h2_resets_total{door="kinesis"}': 1, closed("kinesis", "peer"): 1}):
        with Http2(tough.kinesis) as http:
            http.send(frame(HEADERS, END_HEADERS, 1, h2_head("PutRecord", 100)) + frame(DATA, 0, 1, b"{"))
            assert http.until(RST, stream=1)
            http.ask(3, "ListShards", STREAM)
            http.until(DATA, stream=3)


@pytest.mark.measures
def test_windows_that_never_open(tough, bystanders):
    """Answers wait in their streams; what is asked meanwhile waits too, and the streams are reset in the end."""
    streams = 400
    before = bad.rss_mib(tough)
    with unharmed(tough, bystanders, {'diglot_net_h2_resets_total{door="kinesis"}': streams,
                                      closed("kinesis", "peer"): 1}):
        with Http2(tough.kinesis, setting(4, 0)) as http:
            for stream in range(1, 2 * streams, 2):
                http.ask(stream, "ListShards", STREAM)
            gone = set()
            while len(gone) < streams:
                gone.add(http.until(RST)[2])
    assert bad.rss_mib(tough) - before < 16


def test_windows_of_one_byte(tough, bystanders):
    with unharmed(tough, bystanders, {closed("kinesis", "peer"): 1}), Http2(tough.kinesis, setting(4, 1)) as http:
        http.ask(1, "ListShards", STREAM)
        body = b""
        while not body.endswith(b"]}"):
            _, flags, _, payload = http.until(DATA, stream=1)
            assert len(payload) <= 1
            body += payload
            if flags & END_STREAM:
                break
            http.send(frame(WINDOW, 0, 1, struct.pack(">I", 1)))
        assert b"shardId-000000000000" in body


@pytest.mark.parametrize("acknowledged", [False, True], ids=["unknowing", "knowing"])
def test_more_streams_than_are_allowed(tough, bystanders, acknowledged):
    """Each beyond SETTINGS_MAX_CONCURRENT_STREAMS is refused; a client that knew better is sent away."""
    reason = "protocol_error" if acknowledged else "peer"
    with unharmed(tough, bystanders, {closed("kinesis", reason): 1}), Http2(tough.kinesis) as http:
        limit = dict(struct.iter_unpack(">HI", http.until(SETTINGS)[3]))[3]
        if acknowledged:
            http.send(frame(SETTINGS, ACK))
        for stream in range(1, 2 * limit + 20, 2):
            http.send(frame(HEADERS, END_HEADERS, stream, h2_head("ListShards", 23)))
        if acknowledged:
            assert http.goaway() == PROTOCOL_ERROR
            return
        refusals = [http.until(RST) for _ in range(10)]
        assert {stream for _, _, stream, _ in refusals} == set(range(2 * limit + 1, 2 * limit + 20, 2))
        assert {code for _, _, _, code in refusals} == {struct.pack(">I", REFUSED_STREAM)}
        http.send(frame(DATA, END_STREAM, 1, b'{"StreamName":"stored"}'))
        http.until(DATA, stream=1)


@pytest.mark.measures
def test_floods_many_times_over(tough, bystanders):
    times = 50
    before, open_before = bad.rss_mib(tough), bad.descriptors(tough)
    with unharmed(tough, bystanders, {closed("kinesis", "flood"): times}):
        for _ in range(times):
            with Http2(tough.kinesis) as http:
                flood(http, frame(PING, payload=bytes(8)) * 500, 100)
                http.goaway()
    assert bad.rss_mib(tough) - before < 16
    assert bad.descriptors(tough) <= open_before + 2


def test_goaway_and_more(tough, bystanders):
    """A client that said good-bye and asks on gets nothing; its connection ends."""
    with unharmed(tough, bystanders, {closed("kinesis", "peer"): 1}), Http2(tough.kinesis) as http:
        http.send(frame(GOAWAY, payload=bytes(8)))
        http.ask(1, "ListShards", STREAM)
        assert http.goaway() in (NO_ERROR, None)

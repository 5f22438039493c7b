"""Bad input at the Kinesis door over HTTP/1.1 and TLS: AWS's own error or a closed connection, its counter, and
nothing else."""
import contextlib
import gc
import json
import os
import socket
import ssl
import time

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from lib import bad
from lib.bad import CBOR, Http, closed, exception, kinesis_request, refused, unharmed
from lib.bad_fixtures import bystanders, nothing_stored, tough  # noqa: F401

pytestmark = pytest.mark.usefixtures("nothing_stored")
PUT = {"StreamName": "stored", "Data": "YQ==", "PartitionKey": "k"}
ENDED = {closed("kinesis", "peer"): 1}


def asked(server, request):
    with Http(server.kinesis) as http:
        http.send(request)
        return http.answer()


# ---- bodies


def test_the_request_that_those_below_differ_from(tough):
    with Http(tough.kinesis) as http:
        status, answer = http.call("ListShards", {"StreamName": "stored"})
        assert status == 200 and len(answer["Shards"]) == 1


NESTED = 100_000
BODIES = {
    "deep-lists": (bad.JSON, b"[" * NESTED), "deep-objects": (bad.JSON, b'{"a":' * NESTED),
    "deep-unknown-member": (bad.JSON, b'{"StreamName":"stored","x":' + b"[" * NESTED + b"]" * NESTED + b"}"),
    "cut": (bad.JSON, json.dumps(PUT).encode()[:-1]), "text": (bad.JSON, b"not json"),
    "utf-8": (bad.JSON, b'{"StreamName":"\xff\xfe"}'),
    "escape": (bad.JSON, b'{"StreamName":"\\u12"}'), "behind": (bad.JSON, json.dumps(PUT).encode() + b"{}"),
    "cbor-deep": (CBOR, b"\x81" * NESTED), "cbor-deep-endless": (CBOR, b"\x9f" * NESTED),
    "cbor-count": (CBOR, b"\xbb" + b"\x7f" + b"\xff" * 7),
    "cbor-string": (CBOR, b"\xa1\x6aStreamName\x7a\x7f\xff\xff\xffs"),
    "cbor-cut": (CBOR, b"\xa1\x6aStreamName\x66stor"), "cbor-reserved": (CBOR, b"\xa1\x6aStreamName\x1c"),
    "cbor-break": (CBOR, b"\xff"), "cbor-behind": (CBOR, b"\xa0\xa0"),
}


@pytest.mark.parametrize("operation", ["PutRecord", "ListShards"])
@pytest.mark.parametrize("case", BODIES)
def test_a_broken_body(tough, bystanders, case, operation):
    content_type, body = BODIES[case]
    with unharmed(tough, bystanders, {exception("SerializationException"): 1, **ENDED}):
        status, headers, answer = asked(tough, kinesis_request(operation, body, content_type))
        assert status == 400 and b"SerializationException" in answer
        assert headers["content-type"] == content_type


TYPES = {"number": {**PUT, "StreamName": 7}, "list": {**PUT, "PartitionKey": ["k"]}, "base64": {**PUT, "Data": "***"},
         "object": {**PUT, "Data": {}}}


@pytest.mark.parametrize("case", TYPES)
def test_a_member_of_the_wrong_type(tough, bystanders, case):
    with unharmed(tough, bystanders, {exception("SerializationException"): 1, **ENDED}):
        assert asked(tough, kinesis_request("PutRecord", TYPES[case]))[0] == 400


def test_too_much_in_one_request_by_a_real_client(tough, bystanders):
    client = boto3.client("kinesis", endpoint_url=f"http://{tough.kinesis}", region_name="us-east-1",
                          aws_access_key_id="x", aws_secret_access_key="x",
                          config=Config(retries={"total_max_attempts": 1}, parameter_validation=False,
                                        max_pool_connections=1))
    cases = [("InvalidArgumentException", {"Data": b"d", "PartitionKey": "k", "SequenceNumberForOrdering": "7" * 60}),
             ("ValidationException", {"Data": bytes(1 << 20), "PartitionKey": "k"}),
             ("ValidationException", {"Data": b"d", "PartitionKey": "k" * 257}),
             ("ValidationException", {"Data": b"d", "PartitionKey": "k", "ExplicitHashKey": "-1"})]
    with unharmed(tough, bystanders, {exception("ValidationException"): 3, exception("InvalidArgumentException"): 1,
                                      **ENDED}):
        for code, members in cases:
            with pytest.raises(ClientError) as refusal:
                client.put_record(StreamName="stored", **members)
            assert refusal.value.response["Error"]["Code"] == code
        del client, refusal             # its connection lives as long as the last of what it made
        gc.collect()


def test_an_operation_that_is_none(tough, bystanders):
    with unharmed(tough, bystanders, {exception("UnknownOperationException"): 1, **ENDED}):
        assert b"UnknownOperationException" in asked(tough, kinesis_request("FlyAway", {}))[2]


SIGNATURES = {
    "none": (None, "MissingAuthenticationToken"), "word": ("garbage", "IncompleteSignature"),
    "algorithm": ("AWS4-HMAC-SHA256", "IncompleteSignature"),
    "no-signature": (bad.CREDENTIAL.rsplit(",", 1)[0], "IncompleteSignature"),
    "no-equals": ("AWS4-HMAC-SHA256 Credential,SignedHeaders,Signature", "IncompleteSignature"),
    "commas": ("AWS4-HMAC-SHA256 " + "," * 4000, "IncompleteSignature"),
    "long": ("AWS4-HMAC-SHA256 Credential=" + "a" * 12000, "IncompleteSignature"),
}


@pytest.mark.parametrize("case", SIGNATURES)
def test_a_broken_signature_header(tough, bystanders, case):
    authorization, name = SIGNATURES[case]
    with unharmed(tough, bystanders, {exception(name + "Exception"): 1, **ENDED}):
        status, _, answer = asked(tough, kinesis_request("PutRecord", PUT, authorization=authorization))
        assert status == 400 and name.encode() in answer


# ---- HTTP/1.1

HEAD = b"POST / HTTP/1.1\r\nhost: localhost\r\n"
CHUNKED = HEAD + b"transfer-encoding: chunked\r\n\r\n"
WRONG = {                                                   # request, status, why it is closed
    "huge-header": (HEAD + b"a: " + b"b" * 20_000 + b"\r\n\r\n", 431, "too_large"),
    "endless-header": (HEAD + b"a: " + b"b" * 200_000, 431, "too_large"),
    "many-headers": (HEAD + b"".join(b"a%d: b\r\n" % i for i in range(200)) + b"\r\n", 431, "too_large"),
    "long-target": (b"POST /" + b"a" * 20_000 + b" HTTP/1.1\r\n\r\n", 431, "too_large"),
    "oversized": (HEAD + b"content-length: 16777217\r\n\r\n", 413, "too_large"),
    "vast": (HEAD + b"content-length: 9223372036854775807\r\n\r\n", 413, "too_large"),
    "overflow": (HEAD + b"content-length: 99999999999999999999999\r\n\r\n", 400, "protocol_error"),
    "negative": (HEAD + b"content-length: -5\r\n\r\n", 400, "protocol_error"),
    "words": (HEAD + b"content-length: many\r\n\r\n", 400, "protocol_error"),
    "twice": (HEAD + b"content-length: 5\r\ncontent-length: 6\r\n\r\n", 400, "protocol_error"),
    "smuggled": (HEAD + b"content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n", 400, "protocol_error"),
    "blank-in-name": (HEAD + b"content-length : 2\r\n\r\n{}", 400, "protocol_error"),
    "chunk-end": (CHUNKED + b"2\r\n{}xx0\r\n\r\n", 400, "protocol_error"),
    "chunk-size": (CHUNKED + b"zz\r\n", 400, "protocol_error"),
    "chunk-negative": (CHUNKED + b"-1\r\n", 400, "protocol_error"),
    "chunk-overflow": (CHUNKED + b"ffffffffffffffffff\r\n", 400, "protocol_error"),
    "method": (b"FLY / HTTP/1.1\r\n\r\n", 400, "protocol_error"),
    "version": (b"POST / HTTP/9.9.9\r\n\r\n", 400, "protocol_error"),
    "colon": (HEAD + b"no colon here\r\n\r\n", 400, "protocol_error"),
    "bytes": (bytes(range(1, 22)) * 50, 400, "protocol_error"),
    "preface-cut": (b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n", 400, "protocol_error"),
}


@pytest.mark.parametrize("case", WRONG)
def test_bad_http(tough, bystanders, case):
    request, status, reason = WRONG[case]
    with unharmed(tough, bystanders,
                  {refused("kinesis"): 1, closed("kinesis", reason): 1}), Http(tough.kinesis) as http:
        http.send(request)
        assert http.answer()[0] == status
        assert http.ended()


def test_chunks_beyond_the_limit(tough, bystanders):
    chunk = b"100000\r\n" + bytes(1 << 20) + b"\r\n"
    with unharmed(tough, bystanders, {refused("kinesis"): 1, closed("kinesis", "too_large"): 1}):
        with Http(tough.kinesis) as http:
            http.send(CHUNKED)
            while http.send(chunk) and not _readable(http):
                pass
            assert http.answer()[0] == 413


def _readable(http):
    http.socket.settimeout(0.001)
    try:
        return len(http.socket.recv(1, socket.MSG_PEEK)) == 1
    except (TimeoutError, BlockingIOError):
        return False
    finally:
        http.socket.settimeout(10)


def test_nonsense_behind_whole_requests(tough, bystanders):
    """What was whole is answered, in order; then the refusal, and nothing behind it is looked at."""
    whole = kinesis_request("ListShards", {"StreamName": "stored"})
    with unharmed(tough, bystanders, {refused("kinesis"): 1, closed("kinesis", "protocol_error"): 1}):
        with Http(tough.kinesis) as http:
            http.send(whole * 20 + b"\x00\x01garbage\r\n\r\n" + kinesis_request("PutRecord", PUT))
            assert [http.answer()[0] for _ in range(21)] == [200] * 20 + [400]
            assert http.ended()


def test_a_truncated_request_and_a_hang_up(tough, bystanders):
    whole = kinesis_request("PutRecord", PUT)
    cuts = (5, 40, whole.index(b"\r\n\r\n") + 2, len(whole) - 1)
    with unharmed(tough, bystanders, {closed("kinesis", "truncated"): len(cuts)}):
        for cut in cuts:
            with Http(tough.kinesis) as http:
                http.send(whole[:cut])


def test_a_truncated_request_and_silence(tough, bystanders):
    whole = kinesis_request("PutRecord", PUT)
    with unharmed(tough, bystanders, {closed("kinesis", "head_timeout"): 1, closed("kinesis", "read_stall"): 1}):
        for cut in (40, len(whole) - 1):
            with Http(tough.kinesis) as http:
                http.send(whole[:cut])
                assert http.ended()


def test_a_head_byte_by_byte_does_not_last_for_ever(tough, bystanders):
    """Slow on purpose: each byte comes in time, the whole head does not."""
    with unharmed(tough, bystanders, {closed("kinesis", "head_timeout"): 1}), Http(tough.kinesis) as http:
        started = time.monotonic()
        http.send(HEAD)
        while http.send(b"a") and not _ended_now(http):
            time.sleep(0.05)
            assert time.monotonic() - started < 5


def _ended_now(http):
    http.socket.settimeout(0.001)
    try:
        return http.socket.recv(1) == b""
    except TimeoutError:
        return False
    except OSError:
        return True


REPEATED = {
    "json": (kinesis_request("PutRecord", b"[" * 2000), {exception("SerializationException"): 1, **ENDED}),
    "cbor": (kinesis_request("PutRecord", b"\x81" * 2000, CBOR), {exception("SerializationException"): 1, **ENDED}),
    "signature": (kinesis_request("PutRecord", PUT, authorization="x"),
                  {exception("IncompleteSignatureException"): 1, **ENDED}),
    "http": (b"\x01\r\n", {refused("kinesis"): 1, closed("kinesis", "protocol_error"): 1}),
    "oversized": (WRONG["oversized"][0], {refused("kinesis"): 1, closed("kinesis", "too_large"): 1}),
    "truncated": (kinesis_request("PutRecord", PUT)[:-1], {closed("kinesis", "truncated"): 1}),
}


@pytest.mark.measures
@pytest.mark.parametrize("case", REPEATED)
def test_many_times_over_nothing_piles_up(tough, bystanders, case):
    request, counted = REPEATED[case]

    def times(count):
        for _ in range(count):
            with Http(tough.kinesis) as http:
                http.send(request)
                if case != "truncated":
                    assert http.answer()[0] >= 400
    bad.many_times(tough, bystanders, times, counted)


# ---- TLS, at both doors

DOORS = ("kafka", "kinesis")


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("garbage",
                         [b"\x16garbage, not a handshake at all", b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00",
                                     b"\x16\x03\x01\xff\xff" + bytes(1000)], ids=["text", "hello", "length"])
def test_garbage_behind_the_first_byte_of_tls(tough, bystanders, door, garbage):
    with unharmed(tough, bystanders, {closed(door, "tls_failed"): 1}), Http(getattr(tough, door)) as http:
        http.send(garbage)
        assert http.ended()


@pytest.mark.parametrize("door", DOORS)
def test_half_a_handshake_and_silence(tough, bystanders, door):
    hello = client_hello()
    halves = [hello[:1], hello[:40], hello]
    with unharmed(tough, bystanders, {closed(door, "handshake_timeout"): len(halves)}):
        started = time.monotonic()
        https = [Http(getattr(tough, door)) for _ in halves]
        for http, half in zip(https, halves):
            http.send(half)
        for http in https:
            assert http.ended()
            http.socket.close()
        assert time.monotonic() - started < 5


def client_hello():
    """What a client says first, whole."""
    context = ssl.create_default_context()
    out = ssl.MemoryBIO()
    session = context.wrap_bio(ssl.MemoryBIO(), out, server_hostname="localhost")
    with pytest.raises(ssl.SSLWantReadError):
        session.do_handshake()
    return out.read()


@pytest.mark.parametrize("door", DOORS)
def test_garbage_inside_an_open_session(tough, bystanders, door):
    context = ssl._create_unverified_context()
    with unharmed(tough, bystanders, {closed(door, "tls_failed"): 1}), Http(getattr(tough, door)) as http:
        with context.wrap_socket(http.socket, server_hostname="localhost") as session, \
                socket.socket(fileno=os.dup(session.fileno())) as plain:
            plain.settimeout(10)
            plain.sendall(b"\x17\x03\x03\x00\x20" + bytes(32))
            with contextlib.suppress(ConnectionResetError):
                while plain.recv(1 << 16):
                    pass


@pytest.mark.measures
def test_many_half_handshakes_leave_nothing(tough, bystanders):
    hello = client_hello()
    before, open_before = bad.rss_mib(tough), bad.descriptors(tough)
    with unharmed(tough, bystanders, {closed("kinesis", "handshake_timeout"): 500}):
        https = [Http(tough.kinesis) for _ in range(500)]
        for http in https:
            http.send(hello)
        for http in https:
            assert http.ended()
            http.socket.close()
    assert bad.rss_mib(tough) - before < 64
    assert bad.descriptors(tough) <= open_before + 2

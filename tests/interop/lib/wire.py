"""The few raw Kafka frames that tests send by hand: readiness, timing, and what no client would send."""
import socket
import struct


def string(text):
    return struct.pack(">h", -1) if text is None else struct.pack(">h", len(text)) + text.encode()


def request(api_key, version, body=b"", correlation_id=1, client_id="raw"):
    """A frame with request header v1: the non-flexible versions of every API."""
    head = struct.pack(">hhi", api_key, version, correlation_id) + string(client_id)
    return struct.pack(">i", len(head) + len(body)) + head + body


class Raw:
    """One connection; reads whole frames. Raises ConnectionError when the server closes it."""

    def __init__(self, address, timeout_s=10):
        host, port = address.rsplit(":", 1)
        self.socket = socket.create_connection((host, int(port)), timeout_s)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def receive(self):
        """The next response without its length: correlation id and body."""
        size, = struct.unpack(">i", self._exactly(4))
        return self._exactly(size)

    def call(self, api_key, version, body=b""):
        self.send(request(api_key, version, body))
        return self.receive()[4:]

    def closed_by_server(self):
        """Wait for the server to close; False when it answers instead."""
        try:
            return self.socket.recv(1) == b""
        except ConnectionResetError:
            return True

    def _exactly(self, size):
        parts = []
        while size:
            part = self.socket.recv(min(size, 1 << 20))
            if not part:
                raise ConnectionError("closed by the server")
            parts.append(part)
            size -= len(part)
        return b"".join(parts)


API_VERSIONS, METADATA = 18, 3


def metadata_ready(address, timeout_s=1):
    """Whether one Metadata request (v1, no topics) gets its answer, with at least one broker in it."""
    try:
        with Raw(address, timeout_s) as raw:
            brokers, = struct.unpack_from(">i", raw.call(METADATA, 1, struct.pack(">i", 0)))
            return brokers > 0
    except (OSError, struct.error):
        return False

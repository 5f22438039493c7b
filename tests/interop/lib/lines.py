"""Records as lines of text: how test programs in every language take them in and hand them out.

written:  partition TAB key TAB value TAB headers            partition -1 leaves the choice to the client
read:     partition TAB offset TAB timestamp_ms TAB key TAB value TAB headers
position: partition TAB offset                               one for each written record, in its order

key and value are base64, "-" stands for null; headers are name:value pairs joined by commas, both
sides base64, "-" for a null value; no headers is the empty string.
"""
import base64
from typing import NamedTuple, Optional


class Record(NamedTuple):
    key: Optional[bytes]
    value: Optional[bytes]
    headers: tuple = ()
    partition: int = -1
    offset: int = -1
    timestamp_ms: int = -1

    def content(self):
        """What must arrive as it was sent."""
        return self.key, self.value, tuple(self.headers)


def b64(data):
    return "-" if data is None else base64.b64encode(data).decode()


def unb64(text):
    return None if text == "-" else base64.b64decode(text)


def format_written(record):
    headers = ",".join(f"{b64(name.encode())}:{b64(value)}" for name, value in record.headers)
    return f"{record.partition}\t{b64(record.key)}\t{b64(record.value)}\t{headers}\n"


def parse_read(line):
    partition, offset, timestamp_ms, key, value, headers = line.rstrip("\n").split("\t")
    pairs = (pair.split(":") for pair in headers.split(",") if pair)
    return Record(unb64(key), unb64(value),
                  tuple((base64.b64decode(name).decode(), unb64(value)) for name, value in pairs),
                  int(partition), int(offset), int(timestamp_ms))


def parse_position(line):
    partition, offset = line.split()
    return int(partition), int(offset)

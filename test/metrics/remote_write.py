"""Remote write 1.0 as bytes: prometheus.WriteRequest and snappy, by hand, so that what no
library would send can be sent as well.

    series({"__name__": "up", "job": "a"}, [(time_ms, 1.0)])      one TimeSeries
    snappy(request([...]))                                        what a sender posts
"""
import struct

HEADERS = {"content-type": "application/x-protobuf", "content-encoding": "snappy",
           "x-prometheus-remote-write-version": "0.1.0"}
STALE = struct.unpack("<d", struct.pack("<Q", 0x7FF0000000000002))[0]


def varint(number):
    number &= 0xFFFF_FFFF_FFFF_FFFF
    made = bytearray()
    while number >= 0x80:
        made.append(number & 0x7F | 0x80)
        number >>= 7
    made.append(number)
    return bytes(made)


def field(number, content):
    return varint(number << 3 | 2) + varint(len(content)) + content


def label(name, value):
    as_bytes = [each if isinstance(each, bytes) else each.encode() for each in (name, value)]
    return field(1, field(1, as_bytes[0]) + field(2, as_bytes[1]))


def sample(time_ms, value):
    # A stale marker is one NaN among many: its bits are written as they are.
    bits = value if isinstance(value, bytes) else struct.pack("<d", value)
    return field(2, b"\x09" + bits + b"\x10" + varint(time_ms))


def series(labels, samples):
    """`labels`: a dict, put in order; or pairs, taken as they are."""
    pairs = sorted(labels.items()) if isinstance(labels, dict) else labels
    return field(1, b"".join(label(*pair) for pair in pairs) + b"".join(sample(*each) for each in samples))


def request(all_series):
    return b"".join(all_series)


def snappy(content):
    """The block format, all of it literal."""
    made = [varint(len(content))]
    for begin in range(0, len(content), 65536):
        part = content[begin:begin + 65536]
        made.append(b"\xf4" + struct.pack("<H", len(part) - 1) + part)
    return b"".join(made)


def snappy_run(byte, length):
    """`length` times one byte: 64 at a time by copies of three bytes."""
    whole, rest = divmod(length - 64, 64)
    made = b"\xf0" + bytes([63]) + byte * 64 + (b"\xfe" + struct.pack("<H", 64)) * whole
    return made + (bytes([(rest - 1) << 2 | 2]) + struct.pack("<H", 64) if rest else b"")

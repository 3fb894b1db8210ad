"""One attacker, in a process of its own: attack.py NAME PORT PUSHER_KEY READER_KEY.

Prints one line of JSON for each kind of answer: {"status", "count", "body"}. At a lower priority
than what it attacks, so that what the others' calls lose is not the processor's time that this
program takes.
"""
import collections
import concurrent.futures
import http.client
import json
import os
import random
import sys
import time
import urllib.parse

from remote_write import HEADERS, field, label, sample, series, snappy, snappy_run, varint

SECONDS = 6
WEEK = 7 * 86400


def now_ms():
    return time.time_ns() // 1_000_000


class Attacker:
    def __init__(self, port, pusher, reader):
        self.port, self.keys = port, {"push": pusher, "read": reader}
        self.connections = {}

    def call(self, method, path, body=None, headers=None, use="push"):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, path, body, {"authorization": f"Bearer {self.keys[use]}", **(headers or {})})
            reply = connection.getresponse()
            return reply.status, reply.read().decode(errors="replace")[:300]
        except OSError as error:
            # Refused while the body was on its way: an answer may stand there all the same.
            return 0, repr(error)
        finally:
            connection.close()

    def push(self, body):
        return self.call("POST", "/api/v1/write", body, HEADERS)

    def query(self, query, range_=None):
        form = {"query": query}
        if range_:
            form |= {"start": time.time() - range_[0], "end": time.time(), "step": range_[1]}
        return self.call("POST", f"/api/v1/query{'_range' if range_ else ''}", urllib.parse.urlencode(form),
                         {"content-type": "application/x-www-form-urlencoded"}, "read")


def repeated(*calls, seconds=SECONDS, at_once=4):
    """The calls in turn, four at a time, until time is up."""
    end = time.monotonic() + seconds
    with concurrent.futures.ThreadPoolExecutor(at_once) as pool:
        def run(offset):
            answers, n = [], offset
            while time.monotonic() < end:
                answers.append(calls[n % len(calls)]())
                n += 1
            return answers
        return [answer for answers in pool.map(run, range(at_once)) for answer in answers]


def bombs(on):
    """Packed bodies that would be large, or pretend to."""
    megabytes_60 = varint(60 << 20) + snappy_run(b"\x0a", 60 << 20)
    megabytes_200 = varint(200 << 20) + snappy_run(b"\x0a", 200 << 20)
    empty_series = snappy(b"\x0a\x00" * (8 << 20))  # 8 million series without a label
    deep = snappy(field(1, b"".join(field(2, b"") for _ in range(4 << 20))))  # 4 million empty samples
    return repeated(lambda: on.push(varint(4 << 30) + b"\xfe\x01\x00" * 1000), lambda: on.push(b"\xff" * 10 + b"\x01"),
                    lambda: on.push(megabytes_60), lambda: on.push(megabytes_200), lambda: on.push(empty_series), lambda: on.push(deep),
                    lambda: on.push(varint(100) + b"\x01\xff\xff\xff\xff"))


def garbage(on):
    """Truncated and random bytes in all encodings."""
    draw = random.Random(1)
    good = series({"__name__": "g", "job": "x"}, [(now_ms(), 1.0)]) * 50
    packed = snappy(good)

    def some():
        kind = draw.randrange(4)
        if kind == 0:
            return on.push(packed[:draw.randrange(len(packed))])
        if kind == 1:
            return on.push(snappy(good[:draw.randrange(len(good))]))
        if kind == 2:
            return on.push(snappy(bytes(draw.randrange(256) for _ in range(200))))
        return on.call("POST", "/api/v1/otlp/v1/metrics", bytes(draw.randrange(256) for _ in range(200)),
                       {"content-type": "application/x-protobuf"})
    return repeated(some)


def big_labels(on):
    """10,000 labels, values of 1 MB, names that are none."""
    at = now_ms()

    def one(pairs):
        return on.push(snappy(series(pairs, [(at, 1.0)])))
    many = [("__name__", "m")] + [(f"l{n:05}", "v") for n in range(10_000)]
    return repeated(lambda: one(many), lambda: one([("__name__", "m"), ("big", "x" * (1 << 20))]),
                    lambda: one([("__name__", "m"), ("x" * (1 << 20), "big")]), lambda: one([("__name__", "x" * (1 << 20))]),
                    lambda: one([("__name__", "m"), ("bad", b"\xff\xfe")]), lambda: one([("__name__", "m"), (b"\xc0", "a")]))


def burst(on):
    """Series for ten times the memory: 3 GB of labels, in requests of 16 MB that pack to 1."""
    tail = snappy_run(b"v", 15_000 - 20)
    at = now_ms()
    counter = iter(range(1 << 40))
    raw_of_one = None

    def body():
        nonlocal raw_of_one
        parts, raw = [], 0
        for _ in range(260):
            number = next(counter)
            # Four values of 15,000 bytes that begin with the series' own number.
            inner, length = [], 0
            head = label("__name__", "burst")
            inner.append((head, None))
            length += len(head)
            for k in range(4):
                start = f"{number:020}".encode()
                value_head = varint(1 << 3 | 2) + varint(2) + f"v{k}".encode() + varint(2 << 3 | 2) + varint(15_000) + start
                whole = varint(1 << 3 | 2) + varint(len(value_head) - 20 + 15_000) + value_head
                inner.append((whole, tail))
                length += len(whole) + 15_000 - 20
            point = sample(at, 1.0)
            inner.append((point, None))
            length += len(point)
            opening = varint(1 << 3 | 2) + varint(length)
            raw += len(opening) + length
            parts.append(literal(opening))
            for content, run in inner:
                parts.append(literal(content))
                if run:
                    parts.append(run)
        raw_of_one = raw
        return varint(raw) + b"".join(parts)

    sent, answers, began = 0, [], time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        while sent < 3 << 30 and time.monotonic() < began + 4 * SECONDS:
            for answer in pool.map(on.push, [body(), body()]):
                answers.append(answer)
                sent += raw_of_one
    answers.append((-1, f"{sent >> 20} MB of labels in {time.monotonic() - began:.1f} s"))
    return answers


def literal(content):
    if len(content) <= 60:
        return bytes([(len(content) - 1) << 2]) + content
    return b"\xf0" + bytes([len(content) - 1]) + content


def small_burst(on):
    """As many new series as time allows, of 100 bytes each."""
    counter = iter(range(1 << 40))

    def some():
        at = now_ms()
        return on.push(snappy(b"".join(
            series([("__name__", "small_burst"), ("pod", f"pod-{next(counter):012}"), ("zone", "a")], [(at, 1.0)])
            for _ in range(2000))))
    return repeated(some, at_once=2)


def heavy_queries(on):
    """Queries that would load a billion samples, and all there is over a week."""
    everything = '{__name__=~".+"}'
    return repeated(lambda: on.query(f"sum(sum_over_time({everything}[1w]))", (WEEK, 60)),
                    lambda: on.query(f"{everything}[1w]"), lambda: on.query(everything, (WEEK, 55)),
                    lambda: on.query("max_over_time(quiet[1w:10ms])"), lambda: on.query("quiet * on () group_left () quiet"),
                    lambda: on.query("sum(count_over_time(quiet[100d:1s]))", (WEEK, 60)),
                    lambda: on.query("(" * 50_000 + "1" + ")" * 50_000), lambda: on.query("-" * 100_000 + "1"),
                    lambda: on.query('{__name__=~"(a*)*(b|c|d)*.{1000}"}'), lambda: on.query("1 + " * 100_000 + "1"))


def wrong_samples(on):
    """Too old, too far ahead, twice with two values, out of order within a request."""
    at = now_ms()
    counter = iter(range(1 << 40))

    def one(*samples):
        return on.push(snappy(series({"__name__": "wrong"}, samples)))
    one((at, 0.0))
    return repeated(lambda: one((at - 90 * 86_400_000, 1.0)), lambda: one((at, 1.0 + next(counter))),
                    lambda: one((1 << 62, 1.0)), lambda: one((-(1 << 62), 1.0)), lambda: one((0, 1.0)),
                    lambda: one((at + 3, 3.0), (at + 2, 2.0), (at + 1, 1.0)),
                    lambda: on.push(snappy(series([("b", "1"), ("a", "2")], [(at, 1.0)]))),
                    lambda: on.push(snappy(series([("__name__", "d"), ("a", "1"), ("a", "2")], [(at, 1.0)]))),
                    lambda: on.push(snappy(series([], [(at, 1.0)]))), seconds=SECONDS / 2)


def slow_readers(on):
    """Many large answers, whose readers take nothing of them."""
    import socket
    form = urllib.parse.urlencode({"query": "quiet", "start": time.time() - 3600, "end": time.time(), "step": "1"})
    request = (f"POST /api/v1/query_range HTTP/1.1\r\nHost: g\r\nAuthorization: Bearer {on.keys['read']}\r\n"
               f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(form)}\r\n\r\n{form}").encode()
    peers = []
    for _ in range(40):
        peer = socket.create_connection(("127.0.0.1", on.port), 10)
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        peer.sendall(request)
        peers.append(peer)
    time.sleep(SECONDS)
    answers = []
    for peer in peers:
        peer.settimeout(5)
        try:
            got = peer.recv(4096)
            answers.append((int(got.split(b" ")[1]), got.partition(b"\r\n\r\n")[2].decode(errors="replace")[:200] or "(not yet here)"))
        except (OSError, IndexError, ValueError):
            answers.append((0, "closed"))
        peer.close()
    return answers


ATTACKS = {each.__name__: each for each in (bombs, garbage, big_labels, wrong_samples, heavy_queries, slow_readers, small_burst, burst)}

if __name__ == "__main__":
    os.nice(15)
    name, port, pusher, reader = sys.argv[1:]
    counted = collections.OrderedDict()
    for status, body in ATTACKS[name](Attacker(int(port), pusher, reader)):
        first = counted.setdefault((status, body[:60]), {"status": status, "count": 0, "body": body})
        first["count"] += 1
    for each in counted.values():
        print(json.dumps(each))

"""The same samples in Debian's prometheus and in Gatehouse, the same questions, the same answers.

Samples of bench/metric-stream, and a few metrics of our own with what makes trouble: resets,
gaps, stale markers, NaN and infinities, unusual text. No question falls on a sample's own
time: since Prometheus 3 a range leaves out its left end, before it had it in.
"""
import json
import math
import pathlib
import random
import signal
import struct
import unittest

from programs import MetricCase, MetricGate, NodeExporter, Prometheus, now_ms, send_stream, run_tool, METRIC_STREAM
from remote_write import STALE, HEADERS, request, series, snappy
from gate import exchange, wait_until

HERE = pathlib.Path(__file__).parent
SERIES, INTERVAL_S, SAMPLES = 2200, 30, 240
SPAN_S = 50 * 60  # of our own metrics: what prometheus takes behind the newest sample
CLOSE = 1e-9
STALE_BITS = struct.pack("<Q", 0x7FF0000000000002)


def own_metrics(end_s):
    """Samples every 20 s, the last at end_s."""
    draw = random.Random(7)
    times = [1000 * (end_s - SPAN_S + 20 * i) for i in range(SPAN_S // 20 + 1)]
    made = []

    def add(name, values, **labels):
        made.append(series({"__name__": name, **labels},
                           [(at, value) for at, value in zip(times, values) if value is not None]))

    for j, job in enumerate(("api", "web", "db")):
        for i, instance in enumerate("abc"):
            here = {"job": job, "instance": instance}
            total, totals = 0.0, []
            for k in range(len(times)):
                total = 0.0 if (k + 17 * i) % 61 == 60 else total + draw.randrange(0, 40 * (j + 1))
                totals.append(total)
            add("diff_counter_total", totals, **here)
            add("diff_gauge", [10 * math.sin(k / 9 + 3 * j + i) + draw.random() for k in range(len(times))], **here)
            add("diff_other", [5 + 7 * math.cos(k / 5 + j + 2 * i) for k in range(len(times))], side="right", **here)
            add("diff_level", [(k // 40 + i + j) % 3 for k in range(len(times))], **here)
            counts = [0] * 6
            buckets = [[] for _ in counts]
            for _ in times:
                for _ in range(draw.randrange(20)):
                    first = draw.choice((0, 1, 1, 2, 2, 2, 3, 4, 5))
                    for b in range(first, 6):
                        counts[b] += 1
                for b, count in enumerate(counts):
                    buckets[b].append(count)
            for bound, column in zip(("0.01", "0.1", "0.5", "1", "2.5", "+Inf"), buckets):
                add("diff_seconds_bucket", column, le=bound, **here)
            add("diff_seconds_count", buckets[-1], **here)
            add("diff_seconds_sum", [0.3 * count for count in buckets[-1]], **here)
        add("diff_info", [1] * len(times), job=job, version=f"1.{j}")
    add("diff_two", [2] * len(times))
    add("diff_time", [1.7e9 + 86_400 * 11.3 * k for k in range(len(times))])
    add("diff_gap", [None if 60 < k < 110 else float(k) for k in range(len(times))], job="api")
    add("diff_stale", [STALE_BITS if k in (50, 100) else None if k in range(51, 70) else float(k) for k in range(len(times))],
        job="api")
    for kind, value in (("nan", math.nan), ("inf", math.inf), ("minus_inf", -math.inf), ("tiny", 5e-324),
                        ("huge", 1.7e308), ("minus_zero", -0.0), ("small", 1.5e-7), ("long", 0.1 + 0.2)):
        add("diff_special", [value] * len(times), kind=kind)
    for n, text in enumerate(("ünïcode", "quote\" back\\slash", "two\nlines", "{}=,", "\t \u2028", "😀")):
        add("diff_text", [n] * len(times), text=text)
    return made


def read_queries():
    """(section, query) of queries.txt."""
    section, found = "", []
    for line in (HERE / "queries.txt").read_text().splitlines():
        if line.startswith("== "):
            section = line[3:]
        elif line and not line.startswith("#"):
            found.append((section, line))
    return found


def labels_of(entry):
    return tuple(sorted(entry["metric"].items()))


def same_number(one, other):
    one, other = float(one), float(other)
    if math.isnan(one) or math.isnan(other):
        return math.isnan(one) and math.isnan(other)
    return one == other or math.isclose(one, other, rel_tol=CLOSE, abs_tol=1e-12)


def same_samples(one, other):
    return len(one) == len(other) and all(a[0] == b[0] and same_number(a[1], b[1]) for a, b in zip(one, other))


def difference(ours, theirs, ordered):
    """Why two answers to a query are not the same; None where they are."""
    if ours.status != theirs.status:
        return f"status {ours.status} {ours.body[:300]} for {theirs.status} {theirs.body[:300]}"
    one, other = ours.json, theirs.json
    if other["status"] == "error":
        return None if one["errorType"] == other["errorType"] else f"{one} for {other}"
    one, other = one["data"], other["data"]
    if one["resultType"] != other["resultType"]:
        return f"{one['resultType']} for {other['resultType']}"
    if one["resultType"] == "string":
        return None if one["result"] == other["result"] else f"{one} for {other}"
    if one["resultType"] == "scalar":
        return None if same_samples([one["result"]], [other["result"]]) else f"{one} for {other}"
    mine, their = ([(labels_of(each), each.get("values") or [each["value"]]) for each in found["result"]]
                   for found in (one, other))
    if not ordered:
        mine.sort(key=lambda each: each[0])
        their.sort(key=lambda each: each[0])
    if [each[0] for each in mine] != [each[0] for each in their]:
        return f"{len(mine)} series for {len(their)}: {[e[0] for e in mine][:4]} for {[e[0] for e in their][:4]}"
    for (labels, here), (_, there) in zip(mine, their):
        if not same_samples(here, there):
            apart = next(((a, b) for a, b in zip(here, there) if not same_samples([a], [b])), "another number of samples")
            return f"{dict(labels)}: {len(here)} samples for {len(there)}: {apart}"
    return None


class DifferentialTest(MetricCase):
    @classmethod
    def setUpClass(cls):
        exporter = NodeExporter()
        cls.addClassCleanup(exporter.close)
        scrape = {"global": {"scrape_interval": "1s"}, "scrape_configs": [
            {"job_name": "node", "static_configs": [{"targets": [f"127.0.0.1:{exporter.port}"]}]}]}
        cls.peer = Prometheus()
        cls.addClassCleanup(cls.peer.close)
        cls.gate = MetricGate(prometheus={})
        cls.addClassCleanup(cls.gate.close)
        # At second 3 of a minute, so that whole minutes and the times asked for lie between.
        cls.end_s = now_ms() // 60_000 * 60 - 57
        cls.at_s = cls.end_s - 600 + 14
        stream = cls.gate.directory / "stream"
        made = run_tool(METRIC_STREAM, "make", stream, "--series", SERIES, "--samples", SAMPLES, "--interval", INTERVAL_S,
                        "--end", cls.end_s, "--together", 30, "--per-request", SERIES)
        assert made.returncode == 0, made.stderr
        send_stream(stream, cls.peer)
        send_stream(stream, cls.gate, f"Authorization: Bearer {cls.gate.keys['pusher']}")
        own = snappy(request(own_metrics(cls.end_s)))
        assert cls.gate.push_bytes(own).status == 204
        taken = exchange(cls.peer.port, "POST", "/api/v1/write", own, HEADERS)
        assert taken.status == 204, taken
        # Scraping begins last: beside samples of now, those of two hours ago come too late.
        cls.gate.write_prometheus(scrape)
        (cls.peer.directory / "prometheus.yml").write_text(json.dumps(scrape))
        cls.peer.signal(signal.SIGHUP)

    def both(self, what, method="GET", **parameters):
        return tuple(server.ask(what, method, parameters=parameters) for server in (self.gate, self.peer))

    def asked(self, query):
        """Differences at an instant, and over a range."""
        query = query.replace("$at", str(self.at_s - 300))
        ordered = query.startswith("sort")
        range_ = {"start": self.at_s - 1800, "end": self.at_s, "step": 60}
        return (difference(*self.both("query", method="POST", query=query, time=self.at_s), ordered),
                difference(*self.both("query_range", method="POST", query=query, **range_), False))

    def test_queries(self):
        queries = read_queries()
        count = 0
        for section, query in queries:
            differs = [each for each in self.asked(query) if each]
            with self.subTest(query, section=section):
                if section.startswith("differs"):
                    self.assertTrue(differs, "the answers are the same: it belongs in another section")
                else:
                    self.assertEqual(differs, [])
                    count += 1
        print(f"differential: {len(queries)} queries, each at an instant and over a range; {count} agree, "
              f"{sum(s.startswith('differs') for s, _ in queries)} differ as said")

    def test_a_range_leaves_out_its_left_end(self):
        on_sample = {"query": "count_over_time(diff_two[1m])", "time": self.end_s - 60}
        self.assertEqual((self.gate.value(**on_sample), self.peer.value(**on_sample)), (3, 4))

    def test_both_agree_over_the_whole_stream(self):
        range_ = {"start": self.end_s - INTERVAL_S * SAMPLES + 14, "end": self.end_s, "step": 120}
        for query in ("sum by (container) (rate(bench_request_duration_seconds_bucket[5m]))",
                      "{__name__=~'bench_service_.*'}", "topk(3, bench_service_1_memory_bytes)"):
            with self.subTest(query):
                self.assertIsNone(difference(*self.both("query_range", query=query, **range_), False))

    def test_labels_values_and_series(self):
        window = {"start": self.end_s - 7200, "end": self.end_s}
        asked = [("labels", {"match": ['{__name__=~"diff_.+|bench_.+"}'], **window}),
                 ("labels", {"match": ["diff_gauge", "diff_text"], **window}),
                 ("label/job/values", {"match": ['{__name__=~"diff_.+"}'], **window}),
                 ("label/__name__/values", {"match": ['{__name__=~"diff_.+|bench_.+"}'], **window}),
                 ("label/text/values", window), ("label/le/values", {"match": ["diff_seconds_bucket"], **window}),
                 ("label/instance/values", {"match": ['{job="kubernetes-pods"}'], **window}),
                 ("label/nothing/values", window),
                 ("label/job/values", {"match": ["diff_gauge"], "start": 1, "end": 2}),
                 ("series", {"match": ["diff_gauge", 'diff_text{text!=""}'], **window}),
                 ("series", {"match": ['{__name__=~"bench_service_.*",slot="3"}'], **window}),
                 ("series", {"match": ["nothing_of_this_name"], **window})]
        for what, parameters in asked:
            with self.subTest(what, **parameters):
                ours, theirs = (reply.json for reply in self.both(what, **parameters))
                if what == "series":
                    ours, theirs = ({tuple(sorted(each.items())) for each in found["data"]} for found in (ours, theirs))
                if what == "label/job/values" and parameters.get("start") == 1:
                    self.assertEqual(ours["data"], [])  # prometheus looks no closer than at its head's whole span
                    continue
                self.assertEqual(ours, theirs)

    def test_a_real_exporter_scraped_by_both(self):
        def found(server):
            return set(server.data("label/__name__/values", match=['{job="node"}']))

        def alike():  # the first scrape of either may still be on its way in
            ours, theirs = found(self.gate), found(self.peer)
            return len(ours) > 100 and ours == theirs
        self.assertTrue(wait_until(alike, 15), found(self.gate) ^ found(self.peer))

        def label_sets(server, match):
            return {tuple(sorted(each.items())) for each in server.data("series", match=match)}
        # Prometheus 3 writes quantile="0" as "0.0"; the exporter's own Go runtime is its only one.
        match = ['{job="node",quantile="",le=""}']
        wait_until(lambda: label_sets(self.gate, match) == label_sets(self.peer, match), 5)
        self.assertEqual(label_sets(self.gate, match) ^ label_sets(self.peer, match), set())

        def metadata(server):
            return {name: [(each["type"], each["help"], each["unit"]) for each in several]
                    for name, several in server.data("metadata").items() if name.startswith("node_")}
        self.assertEqual(metadata(self.gate), metadata(self.peer))
        for server in (self.gate, self.peer):
            self.assertEqual(len(server.data("metadata", limit=3)), 3)
            self.assertEqual(list(server.data("metadata", metric="node_load1")), ["node_load1"])
        about = [[{name: each[name] for name in ("labels", "scrapePool", "scrapeUrl", "health", "lastError",
                                                 "scrapeInterval", "scrapeTimeout")} for each in server.targets()]
                 for server in (self.gate, self.peer)]
        self.assertEqual(about[0], about[1])
        of_target = [sorted(json.dumps(each, sort_keys=True)
                            for each in server.data("targets/metadata", metric="node_load1")) for server in (self.gate, self.peer)]
        self.assertEqual(of_target[0], of_target[1])

    def test_format_query(self):
        for _, query in read_queries():
            if "\xff" in query or "$at" in query:
                continue
            with self.subTest(query):
                ours, theirs = self.both("format_query", method="POST", query=query)
                if theirs.status != 200:
                    self.assertEqual((ours.status, ours.json["errorType"]), (theirs.status, theirs.json["errorType"]))
                else:
                    self.assertEqual(ours.json, theirs.json)

    ERRORS = [("query", {}), ("query", {"query": ""}), ("query", {"query": "up", "time": "yesterday"}),
              ("query", {"query": "up", "timeout": "soon"}), ("query_range", {"query": "up"}),
              ("query_range", {"query": "up", "start": 1, "end": 0, "step": 1}),
              ("query_range", {"query": "up", "start": 0, "end": 1, "step": 0}),
              ("query_range", {"query": "up", "start": 0, "end": 1, "step": -1}),
              ("query_range", {"query": "up", "start": 0, "end": 1, "step": "x"}),
              ("query_range", {"query": "up", "start": 0, "end": 11002, "step": 1}),
              ("query_range", {"query": "up[5m]", "start": 0, "end": 1, "step": 1}),
              ("query_range", {"query": '"text"', "start": 0, "end": 1, "step": 1}),
              ("labels", {"match": ["{"]}), ("labels", {"match": ["{}"]}), ("labels", {"start": "x"}),
              ("labels", {"start": 2, "end": 1}), ("series", {}), ("series", {"match": ["rate(up[5m])"]}),
              ("series", {"match": ["up"], "end": "never"}), ("label/job/values", {"match": ["up{"]}),
              ("metadata", {"limit": "few"}), ("targets/metadata", {"limit": "few"}), ("format_query", {}),
              ("query_exemplars", {"query": "sum("}), ("query_exemplars", {"query": "up", "start": 2, "end": 1})]

    def test_error_bodies_and_codes(self):
        for what, parameters in self.ERRORS:
            with self.subTest(what, **parameters):
                ours, theirs = self.both(what, **parameters)
                self.assertEqual(ours.status, theirs.status, (ours, theirs))
                if theirs.status != 200:
                    self.assertEqual({**ours.json, "error": ""}, {**theirs.json, "error": ""})

    def test_shapes_of_times_and_numbers(self):
        moments = [self.at_s, f"{self.at_s}.25", "2023-11-14T22:13:20Z", "2023-11-14T22:13:20.123+02:00", "1e9"]
        for moment in moments:
            with self.subTest(moment):
                ours, theirs = self.both("query", query="vector(1.5) + time() * 0", time=moment)
                self.assertEqual(ours.json["data"], theirs.json["data"])
        for number in ("1e21", "1e20", "1e-6", "1e-7", "0.1+0.2", "1/3", "-0", "5e-324", "1.7976931348623157e308", "NaN", "-Inf",
                       "123456789.123", "1e100", "123456789012345678901", "-9007199254740993e3", "9007199254740993"):
            for query in (number, f"vector({number})"):
                with self.subTest(query):
                    ours, theirs = self.both("query", query=query, time=1)
                    self.assertEqual(ours.body, theirs.body)
        for step in ("30", "30s", "0.5m", "1m30s", "15.5"):
            with self.subTest(step=step):
                about = {"query": "time()", "start": 1, "end": 100, "step": step}
                ours, theirs = self.both("query_range", **about)
                self.assertEqual((ours.status, ours.json.get("data")), (theirs.status, theirs.json.get("data")))


if __name__ == "__main__":
    unittest.main()

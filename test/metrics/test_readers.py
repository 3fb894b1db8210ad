"""Programs that read from Gatehouse: promtool, a Prometheus by remote read, a federating one;
and Grafana, whose Prometheus data source is known by what it asks."""
import base64
import json
import struct
import unittest

from gate import exchange, wait_until
from programs import PROMTOOL, MetricCase, MetricGate, Prometheus, need, now_ms, run_tool
from remote_write import field, series, snappy, varint


class ReaderCase(MetricCase):
    @classmethod
    def setUpClass(cls):
        cls.gate = MetricGate()
        cls.addClassCleanup(cls.gate.close)
        cls.end_ms = now_ms()
        cls.gate.push([series({"__name__": "read_total", "job": job, "n": str(n)},
                              [(cls.end_ms - 15_000 * (239 - k), 10.0 * k * (n + 1)) for k in range(240)])
                       for job in ("a", "b") for n in range(5)])


class PromtoolTest(ReaderCase):
    def promtool(self, *words):
        need(PROMTOOL, "promtool")
        # Its only way to bring a credential: a password in the address.
        server = f"http://any:{self.gate.keys['reader']}@127.0.0.1:{self.gate.port}"
        done = run_tool(PROMTOOL, "query", words[0], "--format=json" if words[0] in ("instant", "range") else "--format=promql",
                        *[server if each == "SERVER" else each for each in words[1:]])
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def test_instant(self):
        found = json.loads(self.promtool("instant", f"--time={self.end_ms / 1000}", "SERVER", "sum(read_total)"))
        self.assertEqual(found[0]["value"][1], "71700")

    def test_range(self):
        found = json.loads(self.promtool("range", f"--start={self.end_ms / 1000 - 600}", f"--end={self.end_ms / 1000}",
                                         "--step=60s", "SERVER", 'read_total{job="a",n="0"}'))
        self.assertEqual([value for _, value in found[0]["values"]], [str(10 * (239 - 4 * k)) for k in range(10, -1, -1)])

    def test_series(self):
        found = self.promtool("series", '--match=read_total{n="3"}', "SERVER")
        self.assertEqual(sorted(found.split("\n")), ["", '{__name__="read_total", job="a", n="3"}', '{__name__="read_total", job="b", n="3"}'])

    def test_labels(self):
        self.assertEqual(self.promtool("labels", "SERVER", "n").split(), ["0", "1", "2", "3", "4"])


class RemoteReadTest(ReaderCase):
    def test_a_prometheus_reads_from_gatehouse(self):
        peer = self.started(Prometheus({"remote_read": [{
            "url": f"{self.gate.url}/api/v1/read", "read_recent": True,
            "authorization": {"credentials": self.gate.keys["reader"]}}]}))
        at = self.end_ms / 1000 - 7
        for query in ('sum by (job) (rate(read_total[5m]))', 'read_total{n=~"[13]"}', 'count_over_time(read_total[1h])'):
            with self.subTest(query):
                theirs, ours = ({tuple(sorted(each["metric"].items())): each["value"][1]
                                 for each in server.data("query", query=query, time=at)["result"]} for server in (peer, self.gate))
                self.assertTrue(ours)
                self.assertEqual(ours, theirs)

    def read(self, *accepted):
        matcher = field(3, b"\x08\x00" + field(2, b"__name__") + field(3, b"read_total"))
        query = b"\x08" + varint(self.end_ms - 3_600_000) + b"\x10" + varint(self.end_ms) + matcher
        message = field(1, query) + (b"\x12" + varint(len(accepted)) + bytes(accepted) if accepted else b"")
        return self.gate.post("/api/v1/read", snappy(message), "reader", **{
            "content-type": "application/x-protobuf", "content-encoding": "snappy"})

    def test_both_types_of_response(self):
        whole = self.read()
        self.assertEqual((whole.status, whole.headers["content-type"], whole.headers["content-encoding"]),
                         (200, "application/x-protobuf", "snappy"))
        streamed = self.read(1, 0)
        self.assertEqual(streamed.status, 200)
        self.assertEqual(streamed.headers["content-type"],
                         "application/x-streamed-protobuf; proto=prometheus.ChunkedReadResponse")
        self.assertGreater(len(streamed.body), 100)
        self.assertTrue(streamed.whole)

    def test_what_is_no_request(self):
        for body in (b"", b"\xff" * 9, snappy(b"\x0a\xff"), snappy(b"\xff" * 40)):
            reply = self.gate.post("/api/v1/read", body, "reader", **{"content-type": "application/x-protobuf"})
            self.assertIn(reply.status, (200, 400), reply)


class FederationTest(ReaderCase):
    def test_a_prometheus_federates(self):
        at = now_ms()
        self.gate.push([series({"__name__": "fresh", "job": "x", "text": 'a "b" \\ \n'}, [(at, 2.5)])])
        peer = self.started(Prometheus({"scrape_configs": [{
            "job_name": "federate", "honor_labels": True, "metrics_path": "/federate", "scrape_interval": "1s",
            "params": {"match[]": ['{job="x"}']}, "authorization": {"credentials": self.gate.keys["reader"]},
            "static_configs": [{"targets": [f"127.0.0.1:{self.gate.port}"]}]}]}))
        self.assertTrue(wait_until(lambda: peer.value('fresh{job="x"}') == 2.5, 10, 0.1))
        self.assertEqual(peer.data("series", match=["fresh"])[0]["text"], 'a "b" \\ \n')


class GrafanaTest(ReaderCase):
    """What Grafana's Prometheus data source sends, in its order."""

    def setUp(self):
        pair = f"grafana:{self.gate.keys['reader']}".encode()
        self.basic = {"authorization": "Basic " + base64.b64encode(pair).decode(), "user-agent": "Grafana/11.2.0",
                      "x-datasource-uid": "p1", "accept-encoding": "gzip, deflate"}

    def ask(self, what, method="GET", **parameters):
        return self.gate.ask(what, method, self.basic, **parameters)

    def test_health_is_one_and_one(self):
        reply = self.ask("query", "POST", query="1+1", time=1_700_000_000)
        self.assertEqual(reply.json, {"status": "success", "data": {"resultType": "scalar", "result": [1_700_000_000, "2"]}})
        self.assertTrue(reply.headers["content-type"].startswith("application/json"))

    def test_it_takes_the_server_for_prometheus(self):
        about = self.ask("status/buildinfo").json["data"]
        self.assertEqual(about["features"], {})  # any feature: Mimir
        self.assertRegex(about["version"], r"^3\.\d+\.\d+$")
        self.assertEqual(set(about) & {"version", "revision", "branch", "buildUser", "buildDate", "goVersion"},
                         {"version", "revision", "branch", "buildUser", "buildDate", "goVersion"})

    def test_posts_come_first(self):
        window = {"start": self.end_ms / 1000 - 3600, "end": self.end_ms / 1000}
        for what, parameters in (("query", {"query": "read_total"}), ("query_range", {"query": "read_total", "step": "15", **window}),
                                 ("labels", window), ("series", {"match": ["read_total"], **window}),
                                 ("query_exemplars", {"query": "read_total", **window})):
            with self.subTest(what):
                posted, got = self.ask(what, "POST", **parameters), self.ask(what, **parameters)
                self.assertEqual((posted.status, got.status), (200, 200), posted)
                if what != "query":
                    self.assertEqual(posted.json, got.json)

    def test_limits(self):
        self.assertEqual(self.ask("label/n/values", limit=2).json["data"], ["0", "1"])
        for what, parameters in (("labels", {}), ("series", {"match": ["read_total"]}), ("label/job/values", {})):
            with self.subTest(what):
                all_of_it, one = self.ask(what, **parameters).json, self.ask(what, limit=1, **parameters).json
                self.assertGreater(len(all_of_it["data"]), 1)
                self.assertNotIn("warnings", all_of_it)
                self.assertEqual(len(one["data"]), 1)
                self.assertEqual(one["warnings"], ["results truncated due to limit"])
                self.assertEqual(self.ask(what, limit=0, **parameters).json, all_of_it)
                self.assert_refused(self.ask(what, limit="many", **parameters), 400, "bad_data")

    def test_rest_of_what_its_pages_ask(self):
        self.assertEqual(self.ask("rules").json["data"], {"groups": []})
        self.assertEqual(self.ask("alerts").json["data"], {"alerts": []})
        self.assertEqual(self.ask("metadata", limit=1000).status, 200)
        self.assertEqual(self.ask("parse_query", "POST", query="rate(a[5m])").json["data"]["type"], "call")
        for what in ("status/config", "status/runtimeinfo", "status/flags", "status/tsdb", "status/walreplay", "scrape_pools",
                     "targets", "alertmanagers"):
            with self.subTest(what):
                self.assertEqual(self.ask(what).json["status"], "success")

    def test_an_answer_in_gzip(self):
        reply = self.ask("query_range", "POST", query="read_total", step="15", start=self.end_ms / 1000 - 3600,
                         end=self.end_ms / 1000)
        # Asked for, not owed: what comes is either, and says so.
        self.assertIn(reply.headers.get("content-encoding"), (None, "gzip"))

    def test_wrong_passwords(self):
        for pair in (b"grafana:wrong", b"no colon", b""):
            self.basic["authorization"] = "Basic " + base64.b64encode(pair).decode()
            self.assertEqual(self.ask("query", "POST", query="1+1").status, 401)

    def test_escaped_label_names(self):
        self.gate.push([series({"__name__": "escaped", "a.b": "found"}, [(now_ms(), struct.unpack("<d", b"\0" * 8)[0])])])
        self.assertEqual(self.ask("label/U__a_2e_b/values").json["data"], ["found"])
        self.assertEqual(len(self.ask("query", "POST", query='{"escaped","a.b"="found"}').json["data"]["result"]), 1)

    def test_management(self):
        for path in ("/-/healthy", "/-/ready"):
            self.assertEqual(exchange(self.gate.port, "GET", path).status, 200, path)


if __name__ == "__main__":
    unittest.main()

"""Gatehouse in the place of a Prometheus: its prometheus.yml as it stands, its targets good and
bad, its files changed while it runs."""
import gzip
import json
import pathlib
import tempfile
import time
import unittest

import prometheus_client

from gate import wait_until
from programs import MetricCase, MetricGate, NodeExporter, Target

PAGE = """# HELP jobs_total Jobs.
# TYPE jobs_total counter
jobs_total{kind="good"} 10
jobs_total{kind="bad"} 2
# TYPE secret_thing gauge
secret_thing 1
"""
# As people write it; the addresses are filled in.
PROMETHEUS_YML = """
global:
  scrape_interval: 1s
  scrape_timeout: 900ms
  external_labels: {{cluster: one}}

scrape_configs:
  # 1: the machine
  - job_name: node
    static_configs:
      - targets: ['127.0.0.1:{node}']
        labels: {{rack: r1}}
    metric_relabel_configs:
      - source_labels: [__name__]
        regex: 'node_(load1|cpu_seconds_total|uname_info)'
        action: keep
  # 2: found in files
  - job_name: found
    file_sd_configs:
      - files: ['{folder}/targets/*.json', '{folder}/targets/*.yml']
        refresh_interval: 1s
    relabel_configs:
      - source_labels: [__meta_team]
        target_label: team
      - source_labels: [__meta_filepath]
        regex: '.*/(.+)\\.(json|yml)'
        target_label: file
      - source_labels: [__address__]
        regex: '127\\.0\\.0\\.1:(.*)'
        replacement: 'port-$1'
        target_label: instance
      - source_labels: [drop_me]
        regex: 'yes'
        action: drop
      - regex: drop_me
        action: labeldrop
    metric_relabel_configs:
      - source_labels: [__name__]
        regex: 'secret_.*'
        action: drop
  # 3: another path, a parameter, a password
  - job_name: guarded
    metrics_path: /custom
    params: {{module: [m1, m2]}}
    basic_auth: {{username: me, password: hush}}
    honor_labels: true
    static_configs:
      - targets: ['127.0.0.1:{guarded}']
"""


class ScrapeCase(MetricCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="gatehouse-targets-")
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def soon(self, condition, seconds=12):
        self.assertTrue(wait_until(condition, seconds, 0.1), self.gate.ask("targets").body[:3000])

    def health(self, job):
        return [(each["health"], each["lastError"]) for each in self.gate.targets() if each["labels"]["job"] == job]

    def jobs(self, job, page, **more):
        target = self.started(Target(page))
        return target, {"job_name": job, "static_configs": [{"targets": [target.address]}], **more}


class PrometheusYmlTest(ScrapeCase):
    def test_three_jobs_with_file_discovery_and_relabelling(self):
        exporter = self.started(NodeExporter())
        first, second = self.started(Target(PAGE)), self.started(Target(PAGE))
        guarded = self.started(Target('mine{job="their own"} 7\n'))
        (self.folder / "targets").mkdir()
        (self.folder / "targets" / "a.json").write_text(json.dumps([
            {"targets": [first.address], "labels": {"__meta_team": "blue"}},
            {"targets": ["127.0.0.1:1"], "labels": {"drop_me": "yes"}}]))
        text = PROMETHEUS_YML.format(node=exporter.port, guarded=guarded.port, folder=self.folder)
        self.gate = self.started(MetricGate(prometheus=text))
        self.soon(lambda: len(self.gate.targets()) == 3 and all(each["health"] == "up" for each in self.gate.targets()))

        # What came of relabelling the targets …
        found = {each["scrapePool"]: each for each in self.gate.targets()}
        self.assertEqual(set(found), {"node", "found", "guarded"})
        self.assertEqual(found["node"]["labels"], {"job": "node", "instance": f"127.0.0.1:{exporter.port}", "rack": "r1"})
        self.assertEqual(found["found"]["labels"],
                         {"job": "found", "instance": f"port-{first.port}", "team": "blue", "file": "a"})
        self.assertEqual(found["found"]["discoveredLabels"]["__meta_team"], "blue")
        self.assertEqual(found["guarded"]["scrapeUrl"], f"http://127.0.0.1:{guarded.port}/custom?module=m1&module=m2")
        self.assertEqual(found["node"]["scrapeInterval"], "1s")
        self.assertEqual(found["node"]["scrapeTimeout"], "900ms")
        dropped = self.gate.data("targets", state="dropped")["droppedTargets"]
        self.assertEqual([each["discoveredLabels"]["__address__"] for each in dropped], ["127.0.0.1:1"])
        self.assertEqual(sorted(self.gate.data("scrape_pools")["scrapePools"]), ["found", "guarded", "node"])

        # … and the samples.
        self.assertEqual(self.gate.value('jobs_total{team="blue",kind="good"}'), 10)
        self.assertIsNone(self.gate.value("secret_thing"))
        self.assertEqual(set(self.gate.data("label/__name__/values", match=['{job="node"}'])),
                         {"node_load1", "node_cpu_seconds_total", "node_uname_info", "up", "scrape_duration_seconds",
                          "scrape_samples_scraped", "scrape_samples_post_metric_relabeling", "scrape_series_added"})
        self.assertEqual(self.gate.value('mine{job="their own"}'), 7)
        self.assertEqual(guarded.requests[0][1]["authorization"], "Basic bWU6aHVzaA==")
        self.assertNotIn("hush", self.gate.data("status/config")["yaml"])
        # External labels are for other servers, not for one's own answers.
        self.assertIsNone(self.gate.value('up{cluster="one"}'))

        # A file that comes, one that changes, one that is wrong, one that goes.
        (self.folder / "targets" / "b.yml").write_text(f"- targets: ['{second.address}']\n  labels: {{__meta_team: red}}\n")
        self.soon(lambda: self.gate.value('jobs_total{team="red",file="b",kind="bad"}') == 2)
        (self.folder / "targets" / "b.yml").write_text(f"- targets: ['{second.address}']\n  labels: {{__meta_team: green}}\n")
        self.soon(lambda: self.gate.value('jobs_total{team="green",kind="bad"}') == 2)
        self.soon(lambda: self.gate.value('jobs_total{team="red",kind="bad"}') is None)
        (self.folder / "targets" / "b.yml").write_text("- targets: [")
        time.sleep(1.5)
        self.assertEqual(len(self.gate.targets()), 4)
        (self.folder / "targets" / "b.yml").unlink()
        self.soon(lambda: len(self.gate.targets()) == 3)

    def test_it_is_read_again_when_it_changes(self):
        _, one = self.jobs("one", PAGE)
        _, two = self.jobs("two", PAGE)
        short = {"global": {"scrape_interval": "1s"}}
        self.gate = self.started(MetricGate(prometheus={**short, "scrape_configs": [one]}))
        self.soon(lambda: self.gate.value('up{job="one"}') == 1)
        self.gate.write_prometheus({**short, "scrape_configs": [one, two]})
        self.soon(lambda: self.gate.value('up{job="two"}') == 1)
        self.gate.write_prometheus({**short, "scrape_configs": [{**two, "no_such_field": 1}]})
        self.soon(lambda: "no_such_field" in self.gate.log_text())
        time.sleep(0.5)
        self.assertEqual({each["scrapePool"] for each in self.gate.targets()}, {"one", "two"})
        self.gate.write_prometheus({**short, "scrape_configs": [two]})
        self.soon(lambda: self.gate.value('up{job="one"}') is None)
        self.assertEqual(self.gate.value('up{job="two"}'), 1)
        reloaded = self.gate.post("/-/reload", "", "admin")
        self.assertEqual(reloaded.status, 200, reloaded)

    def test_what_is_not_supported_is_refused_by_name_and_line(self):
        for text, name, line in (("scrape_configs:\n  - job_name: a\n    consul_sd_configs: [{server: x}]\n", "consul_sd_configs", "3"),
                                 ("scrape_configs:\n  - job_name: a\n    scrape_intervall: 5s\n", "scrape_intervall", "3"),
                                 ("scrape_configs:\n  - job_name: a\n  - job_name: a\n", "a", "3"),
                                 ("scrape_configs:\n  - job_name: a\n    relabel_configs:\n      - {target_label: a, regex: '('}\n", "regular expression", "4")):
            with self.subTest(name):
                with self.assertRaises(RuntimeError) as refused:
                    self.started(MetricGate(prometheus=text))
                self.assertIn(name, str(refused.exception))
                self.assertRegex(str(refused.exception), rf"(line |:){line}\b")


class TargetsTest(ScrapeCase):
    def start(self, *jobs, **config):
        self.gate = self.started(MetricGate(prometheus={"global": {"scrape_interval": "1s", "scrape_timeout": "1s"},
                                                        "scrape_configs": list(jobs)}, config=config))

    def test_a_target_that_dies_goes_stale_at_once(self):
        target, job = self.jobs("dying", PAGE)
        self.start(job)
        self.soon(lambda: self.gate.value('jobs_total{kind="good"}') == 10)
        target.page = PAGE.replace('jobs_total{kind="bad"} 2\n', "")
        self.soon(lambda: self.gate.value('jobs_total{kind="bad"}') is None)
        self.assertEqual(self.gate.value('jobs_total{kind="good"}'), 10)
        target.close()
        self.soon(lambda: self.gate.value('up{job="dying"}') == 0)
        self.assertIsNone(self.gate.value('jobs_total{kind="good"}'))
        (health, error), = self.health("dying")
        self.assertEqual(health, "down")
        self.assertRegex(error.lower(), "refused")

    def test_bad_targets_are_told_of_and_hurt_nobody(self):
        def reply(status=200, kind="text/plain; version=0.0.4", body=b"", **headers):
            def page(handler):
                handler.send_response(status)
                handler.send_header("content-type", kind)
                for name, value in headers.items():
                    handler.send_header(name.replace("_", "-"), value)
                handler.send_header("content-length", str(len(body)))
                handler.end_headers()
                handler.wfile.write(body)
            return page

        def cut(handler):
            handler.send_response(200)
            handler.send_header("content-length", "100000")
            handler.end_headers()
            handler.wfile.write(b"a 1\n")
            handler.close_connection = True

        def silent(handler):
            handler.close_connection = True
            time.sleep(3)

        many = "".join(f'many{{n="{n}"}} 1\n' for n in range(100))
        bad = {"status 500": reply(500), "not text": reply(body=b"\xff\xfe\0\0"), "half a line": reply(body=b'a{b="c'),
               "cut": cut, "silent": silent, "no gzip": reply(body=b"no", content_encoding="gzip"),
               "a loop": reply(302, location="/metrics"), "html": reply(kind="text/html", body=b"<html></html>")}
        jobs = [self.jobs(name, page)[1] for name, page in bad.items()]
        jobs += [self.jobs("too many samples", many, sample_limit=50)[1], self.jobs("too many labels", PAGE, label_limit=1)[1],
                 self.jobs("too long a label", 'a{b="0123456789012345678901234567890"} 1\n', label_value_length_limit=20)[1],
                 self.jobs("too large", many, body_size_limit="100B")[1]]
        _, good = self.jobs("good", PAGE)
        packed = gzip.compress(PAGE.encode())
        _, zipped = self.jobs("zipped", reply(body=packed, content_encoding="gzip"))
        self.start(*jobs, good, zipped)
        self.soon(lambda: self.gate.value("count(up == 0)") == len(jobs) and self.gate.value("count(up == 1)") == 2, 20)
        for each in self.gate.targets():
            with self.subTest(each["scrapePool"]):
                down = each["scrapePool"] not in ("good", "zipped")
                self.assertEqual((each["health"], bool(each["lastError"])), ("down" if down else "up", down), each)
        self.assertEqual(self.gate.value('jobs_total{job="zipped",kind="good"}'), 10)
        self.assertIsNone(self.gate.value("count(many)"))
        print("\n".join(f"  {each['scrapePool']}: {each['lastError']}" for each in self.gate.targets() if each["lastError"]))

    def test_a_target_of_a_gigabyte_and_one_that_never_ends(self):
        line = b"".join(b'huge{n="%d",text="%s"} 1\n' % (n, b"x" * 1000) for n in range(1000))

        def gigabyte(handler):
            handler.send_response(200)
            handler.send_header("content-type", "text/plain; version=0.0.4")
            handler.send_header("content-length", str(1 << 30))
            handler.end_headers()
            sent = 0
            while sent < 1 << 30:
                handler.wfile.write(line[:(1 << 30) - sent])
                sent += len(line)

        def endless(handler):
            handler.send_response(200)
            handler.send_header("content-type", "text/plain; version=0.0.4")
            handler.end_headers()
            for n in range(10_000):
                handler.wfile.write(b"endless 1\n")
                time.sleep(0.02)

        jobs = [self.jobs(name, page, scrape_timeout="5s", scrape_interval="6s")[1]
                for name, page in (("gigabyte", gigabyte), ("endless", endless))]
        _, good = self.jobs("good", PAGE)
        self.start(*jobs, good, memory={"limit": "300MiB"})
        self.soon(lambda: [self.gate.value(f'up{{job="{name}"}}') for name in ("gigabyte", "endless", "good")] == [0, 0, 1], 25)
        for job in ("gigabyte", "endless"):
            (health, error), = self.health(job)
            self.assertTrue(error)
            print(f"  {job}: {error}")
        self.assertIsNone(self.gate.value("count(huge)"))
        self.assertLess(self.gate.rss_mb(peak=True), 300)
        # Every second one: the bad ones held the good one up by nothing.
        self.assertGreaterEqual(self.gate.value("count_over_time(up{job='good'}[5s])"), 4)


class PrometheusClientTest(ScrapeCase):
    """The Python client library, as an application uses it."""

    def test_all_its_types(self):
        registry = prometheus_client.CollectorRegistry()
        counter = prometheus_client.Counter("sold", "What was sold.", ["kind"], registry=registry)
        counter.labels("tea").inc(4, exemplar={"trace_id": "abc"})
        prometheus_client.Gauge("heat", "Degrees.", registry=registry).set(-3.5)
        prometheus_client.Info("built", "What it is.", registry=registry).info({"version": "1.2"})
        prometheus_client.Enum("state", "How it goes.", states=["on", "off"], registry=registry).state("off")
        summary = prometheus_client.Summary("weight", "Grams.", registry=registry)
        histogram = prometheus_client.Histogram("seconds", "How long.", buckets=(0.1, 1), registry=registry)
        for each in (0.05, 0.5, 5):
            summary.observe(each)
            histogram.observe(each, {"trace_id": f"t{each}"})
        server, _ = prometheus_client.start_http_server(0, "127.0.0.1", registry)
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        self.gate = self.started(MetricGate(prometheus={"global": {"scrape_interval": "1s"}, "scrape_configs": [
            {"job_name": "app", "static_configs": [{"targets": [f"127.0.0.1:{server.server_port}"]}]}]}))
        self.soon(lambda: self.gate.value('up{job="app"}') == 1)
        for query, want in (('sold_total{kind="tea"}', 4), ("heat", -3.5), ('built_info{version="1.2"}', 1), ('state{state="off"}', 1),
                            ("weight_sum", 5.55), ("weight_count", 3), ('seconds_bucket{le="1.0"}', 2), ('seconds_bucket{le="+Inf"}', 3)):
            with self.subTest(query):
                self.assertAlmostEqual(self.gate.value(query), want)
        types = {name: several[0]["type"] for name, several in self.gate.data("metadata").items()}
        self.assertEqual({name: types.get(name) for name in ("sold", "heat", "built", "state", "weight", "seconds")},
                         {"sold": "counter", "heat": "gauge", "built": "info", "state": "stateset", "weight": "summary",
                          "seconds": "histogram"})
        exemplars = self.gate.data("query_exemplars", query="seconds_bucket", start=0, end=time.time() + 10)
        self.assertEqual({each["labels"]["trace_id"] for found in exemplars for each in found["exemplars"]}, {"t0.05", "t0.5", "t5"})


if __name__ == "__main__":
    unittest.main()

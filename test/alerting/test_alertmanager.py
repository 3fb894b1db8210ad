"""Alerts to Alertmanagers that are there already: Debian's, and some that misbehave."""
from remote_write import request, snappy
from rule_programs import (Alertmanager, FakeAlertmanager, MetricCase, RuleGate, alerting, group, nobody_listens, now_ms,
                           series, wait_until)

RULES = {"groups": [group("g", {"alert": "High", "expr": "load > 1", "labels": {"severity": "page"},
                                "annotations": {"summary": "{{ $labels.host }} at {{ $value }}"}})]}


def storm(count):
    return {"groups": [group("g", {"alert": "High", "expr": "load > 1"}, interval="1s")]}, \
        [series({"__name__": "load", "host": f"h{i}"}, [(now_ms(), 2)]) for i in range(count)]


class AlertmanagerTest(MetricCase):
    def load(self, gate, value):
        gate.push_bytes(snappy(request([series({"__name__": "load", "host": "h"}, [(now_ms(), value)])])))

    def metric(self, gate, name):
        page = gate.ask("/metrics", headers={"authorization": f"Bearer {gate.keys['admin']}"}).body.decode()
        return sum(float(line.rsplit(" ", 1)[1]) for line in page.splitlines() if line.startswith(name))

    def test_debians_alertmanager_is_told_and_told_of_the_end(self):
        peer = self.started(Alertmanager())
        settings = {"global": {"external_labels": {"cluster": "c1", "replica": "r0"}},
                    "alerting": {**alerting(peer.port), "alert_relabel_configs": [{"regex": "replica", "action": "labeldrop"}]}}
        gate = self.started(RuleGate(RULES, prometheus=settings))
        self.load(gate, 2)
        self.assertTrue(wait_until(peer.alerts, 20))
        told = peer.alerts()[0]
        self.assertEqual(told["labels"], {"alertname": "High", "host": "h", "severity": "page", "cluster": "c1"})
        self.assertEqual(told["annotations"], {"summary": "h at 2"})
        self.assertEqual(told["status"]["state"], "active")
        self.assertIn("/graph?g0.expr=load+%3E+1", told["generatorURL"])
        self.assertEqual(gate.data("alertmanagers"), {
            "activeAlertmanagers": [{"url": f"http://127.0.0.1:{peer.port}/api/v2/alerts"}], "droppedAlertmanagers": []})
        self.load(gate, 0)
        self.assertTrue(wait_until(lambda: not peer.alerts(), 20), peer.alerts())
        self.assertGreaterEqual(self.metric(gate, "prometheus_notifications_sent_total"), 2)

    def test_one_that_hangs_and_one_that_is_not_there_hold_up_no_other(self):
        hangs, well = FakeAlertmanager(None), FakeAlertmanager()
        self.addCleanup(hangs.close)
        self.addCleanup(well.close)
        gate = self.started(RuleGate(RULES, prometheus={"alerting": alerting(hangs.port, nobody_listens(), well.port, timeout="2s")}))
        self.load(gate, 2)
        self.assertTrue(wait_until(lambda: well.received, 20))
        self.assertTrue(wait_until(lambda: self.metric(gate, "prometheus_notifications_errors_total") >= 2, 20))

    def test_one_that_fails_is_tried_again(self):
        fails = FakeAlertmanager(503)
        self.addCleanup(fails.close)
        gate = self.started(RuleGate(RULES, prometheus={"alerting": alerting(fails.port)}))
        self.load(gate, 2)
        self.assertTrue(wait_until(lambda: len(fails.batches) >= 2, 20))
        fails.status = 200
        # Before the rules say it again, which they do after a minute.
        self.assertTrue(wait_until(lambda: fails.received, 15))
        self.assertEqual(self.metric(gate, "prometheus_notifications_dropped_total"), 0)

    def test_a_storm_goes_in_batches_and_the_queue_is_bounded(self):
        told = FakeAlertmanager()
        self.addCleanup(told.close)
        rules, samples = storm(3_000)
        gate = self.started(RuleGate(rules, prometheus={"alerting": alerting(told.port, basic_auth={"username": "u", "password": "p"})}))
        gate.push_bytes(snappy(request(samples)))
        self.assertTrue(wait_until(lambda: len(told.received) >= 3_000, 30), len(told.received))
        self.assertEqual(len({each["labels"]["host"] for each in told.received}), 3_000)
        self.assertLessEqual(max(size for _, _, size in told.batches), 64)
        path, headers, _ = told.batches[0]
        self.assertEqual((path, headers["authorization"]), ("/api/v2/alerts", "Basic dTpw"))

    def test_a_reload_changes_who_is_told(self):
        one, other = FakeAlertmanager(), FakeAlertmanager()
        self.addCleanup(one.close)
        self.addCleanup(other.close)
        gate = self.started(RuleGate(RULES, prometheus={"alerting": alerting(one.port)}))
        gate.write_prometheus({"alerting": alerting(other.port)})
        self.assertTrue(wait_until(lambda: str(other.port) in str(gate.data("alertmanagers")), 10))
        self.load(gate, 2)
        self.assertTrue(wait_until(lambda: other.received, 20))
        self.assertEqual(one.received, [])


class ReloadTest(MetricCase):
    def test_a_wrong_file_leaves_the_rules_as_they_were(self):
        gate = self.started(RuleGate(RULES))
        self.assertTrue(wait_until(lambda: gate.rule("High"), 20))
        gate.write_rules("groups:\n- name: g\n  rules:\n  - alert: Broken\n    expr: sum(\n")
        self.assertTrue(wait_until(lambda: not gate.get("/health").json["config"]["ok"], 10))
        self.assertEqual(gate.get("/health").json["status"], "degraded")
        self.assertTrue(wait_until(lambda: "rules.yml:5" in gate.log_text(), 5), gate.log_text())
        self.assertIn("Broken", gate.log_text())
        page = gate.ask("/metrics", headers={"authorization": f"Bearer {gate.keys['admin']}"}).body.decode()
        self.assertIn("gatehouse_config_last_reload_successful 0", page)
        self.assertIsNotNone(gate.rule("High"))
        gate.write_rules({"groups": [group("g", {"record": "fresh", "expr": "vector(1)"})]})
        self.assertTrue(wait_until(lambda: gate.get("/health").json["config"]["ok"], 10))
        self.assertTrue(wait_until(lambda: gate.rule("fresh") and gate.rule("High") is None, 5))

    def test_series_of_rules_that_are_gone_end(self):
        gate = self.started(RuleGate({"groups": [group("a", {"record": "one", "expr": "vector(1)"}, {"record": "two", "expr": "vector(2)"}),
                                                 group("b", {"record": "three", "expr": "vector(3)"})]}))
        for name in ("one", "two", "three"):
            self.assertTrue(wait_until(lambda: gate.value(name), 20), name)
        gate.write_rules({"groups": [group("a", {"record": "one", "expr": "vector(1)"})]})
        for name in ("two", "three"):
            self.assertTrue(wait_until(lambda: gate.value(name) is None, 20), name)
        self.assertEqual(gate.value("one"), 1)

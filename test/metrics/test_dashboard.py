"""Grafana's most used dashboard, Node Exporter Full, over the host collector: every query of it
gives data, or the kernel of this machine has none.

Debian's node exporter runs beside it and is scraped as well: a query that gives data for it
must give data for the host collector too. Those that give none for either are named.
"""
import json
import re
import time
import unittest

from gate import wait_until
from programs import CORPORA, MetricCase, MetricGate, NodeExporter, skip

DASHBOARD = CORPORA / "dashboards" / "node-exporter-full.json"
# Off by default in node_exporter, and drawn by the dashboard.
FLAGS = ["--collector.processes", "--collector.interrupts", "--collector.tcpstat"]
# What a machine cannot offer, as it is node_exporter's own.
OF_THE_EXPORTER = {"node_textfile_scrape_error": "no text files are collected"}
NAME = re.compile(r"\bnode_\w+")


def queries(panels):
    for panel in panels:
        for target in panel.get("targets", []):
            yield panel["title"], target["expr"]
        yield from queries(panel.get("panels", []))


class DashboardTest(MetricCase):
    def test_node_exporter_full(self):
        if not DASHBOARD.exists():
            skip("Node Exporter Full: ../shared/corpora/dashboards is not there")
        exporter = self.started(NodeExporter(*FLAGS))
        gate = self.started(MetricGate({"host": {"enabled": True, "interval": "1s"}}, {
            "global": {"scrape_interval": "1s"},
            "scrape_configs": [{"job_name": "peer", "static_configs": [{"targets": [f"127.0.0.1:{exporter.port}"]}]}]}))
        # Its variables, by its own queries: the job, then the machine's name, then the instance.
        self.assertTrue(wait_until(lambda: len(gate.data("query", query="node_uname_info")["result"]) == 2, 15))
        of_job = {}
        for job in gate.data("label/job/values", match=["node_uname_info"]):
            names = gate.data("label/nodename/values", match=[f'node_uname_info{{job="{job}"}}'])
            nodes = gate.data("label/instance/values", match=[f'node_uname_info{{job="{job}",nodename="{names[0]}"}}'])
            self.assertEqual((len(names), len(nodes)), (1, 1))
            of_job[job] = {"$job": job, "$nodename": names[0], "$node": nodes[0], "$__rate_interval": "1m",
                           "$__range": "1m", "$__interval": "15s"}
        host, = set(of_job) - {"peer"}
        time.sleep(6)  # a few samples for the rates

        def asked(query, job):
            for name, value in of_job[job].items():
                query = query.replace(name, value)
            now = time.time()
            reply = gate.ask("query_range", "POST", query=query, start=now - 5, end=now, step=1)
            self.assertEqual(reply.status, 200, (query, reply))
            return len(reply.json["data"]["result"])

        dashboard = json.loads(DASHBOARD.read_text())
        missing, without, filled = [], {}, 0
        all_of_them = list(queries(dashboard["panels"]))
        for title, query in all_of_them:
            ours = asked(query, host)
            if ours:
                filled += 1
            elif set(NAME.findall(query)) & set(OF_THE_EXPORTER):
                without[query] = title
            elif asked(query, "peer"):
                missing.append((title, query))
            else:
                without[query] = title
        print(f"Node Exporter Full: {len(all_of_them)} queries, {filled} with data; none here, nor for Debian's node exporter:")
        for query, title in without.items():
            names = sorted(set(NAME.findall(query)))
            absent = [name for name in names if not gate.data("query", query=f'count({name}{{job="{host}"}})')["result"]]
            reason = f"this machine has no {', '.join(absent)}" if absent else "its series are there, and nothing fits its matchers"
            reason = next((why for name, why in OF_THE_EXPORTER.items() if name in names), reason)
            print(f"  {title}: {reason}")
        self.assertEqual(missing, [], "Debian's node exporter gives data for these")
        self.assertGreater(filled, len(all_of_them) // 2)


if __name__ == "__main__":
    unittest.main()

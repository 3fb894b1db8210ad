"""The default templates beside those of Debian's amtool: the same data, the same words."""
import json
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

import alert_programs

PLACE = pathlib.Path("/usr/share/prometheus/alertmanager")
AMTOOL = shutil.which("amtool")


def data(statuses, grouped=("alertname", "severity"), annotations=({}, {"summary": "s <b>&\"'"}, {"summary": "other"})):
    alerts = []
    for index, status in enumerate(statuses):
        alerts.append({
            "status": status,
            "labels": {"alertname": "HighLatency", "severity": "page", "instance": f"h{index}:9090", "Zone": "z"},
            "annotations": annotations[index % len(annotations)],
            "startsAt": "2026-01-02T03:04:05.678Z",
            "endsAt": "2026-01-02T04:04:05Z" if status == "resolved" else "0001-01-01T00:00:00Z",
            "generatorURL": "http://prometheus.example.org/graph?g0.expr=a%20b&x=1",
            "fingerprint": "0123456789abcdef"})
    common = [set(each["labels"].items()) for each in alerts]
    common_annotations = [set(each["annotations"].items()) for each in alerts]
    return {
        "receiver": "team x", "status": "firing" if "firing" in statuses else "resolved", "alerts": alerts,
        "groupLabels": {name: alerts[0]["labels"][name] for name in grouped},
        "commonLabels": dict(set.intersection(*common)),
        "commonAnnotations": dict(set.intersection(*common_annotations)),
        "externalURL": "http://alerts.example.org:9093/x"}


DATA = [
    data(["firing"]),
    data(["firing"], annotations=[{"summary": "one", "description": "two\nlines"}]),
    data(["firing", "firing", "resolved"]),
    data(["resolved", "resolved"], grouped=()),
    data(["resolved"], grouped=("alertname", "severity", "instance", "Zone")),
]
# What templates of users build on.
TEXTS = [
    "{{ .Receiver }} {{ .Status }} {{ .ExternalURL }}",
    "{{ range .Alerts }}{{ .Status }} {{ .Labels.instance }} {{ .Annotations.nope }} {{ .Fingerprint }} {{ .GeneratorURL }};{{ end }}",
    "{{ range .Alerts.Firing }}{{ .StartsAt.Format \"2006-01-02 15:04:05.000 MST\" }}{{ end }}",
    "{{ range .Alerts.Resolved }}{{ .EndsAt.Sub .StartsAt }} {{ .EndsAt }}{{ end }}",
    "{{ .CommonLabels.Names }} {{ .CommonLabels.Values }} {{ .CommonLabels.SortedPairs.Names | join \",\" }}",
    "{{ range .CommonLabels.SortedPairs }}{{ .Name }}={{ .Value }},{{ end }}",
    "{{ range $k, $v := .CommonLabels }}{{ $k }}={{ $v }},{{ end }}",
    "{{ .CommonLabels }} {{ .GroupLabels.Remove .CommonLabels.Names }}",
    "{{ (.CommonLabels.Remove (stringSlice \"Zone\" \"severity\")).SortedPairs.Values | join \"/\" }}",
    "{{ if .CommonAnnotations }}some{{ else }}none{{ end }} {{ len .CommonAnnotations }} {{ len .Alerts.Firing }}",
    "{{ with index .Alerts 0 }}{{ .Labels.alertname | title | toUpper }}{{ end }}",
    "{{ .CommonLabels.severity | reReplaceAll \"p(.*)\" \"$1!\" }} {{ match \"^H\" .CommonLabels.alertname }}",
    "{{ template \"__text_alert_list\" .Alerts.Resolved }}",
    "{{ template \"pagerduty.default.instances\" .Alerts.Firing }}",
]


class Templates(unittest.TestCase):
    def names(self):
        text = "".join((PLACE / name).read_text() for name in ("default.tmpl", "email.tmpl"))
        return [name for name in re.findall(r'{{-? *define "([^"]+)"', text)
                if name not in ("__text_alert_list", "pagerduty.default.instances", "email.default.html")]

    def ours(self, texts, html=()):
        with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
            json.dump({"files": [], "data": [json.dumps(each) for each in DATA], "texts": texts,
                       "html": list(html)}, file)
            file.flush()
            program = alert_programs.UNITS
            out = subprocess.run([program, "--gtest_filter=Comparison.Rendered"], check=True, text=True,
                                 capture_output=True, env={"GATEHOUSE_TEST_RENDER": file.name}).stdout
        return [json.loads(line[9:]) for line in out.splitlines() if line.startswith("rendered ")]

    def theirs(self, each, text, kind="text"):
        with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
            json.dump(each, file)
            file.flush()
            out = subprocess.run(["amtool", "template", "render", f"--template.glob={PLACE}/*.tmpl",
                                  f"--template.data={file.name}", f"--template.type={kind}",
                                  f"--template.text={text}"], text=True, capture_output=True)
        return {"text": out.stdout} if out.returncode == 0 else {"error": out.stderr}

    def setUp(self):
        alert_programs.need_units()
        if AMTOOL is None or not (PLACE / "default.tmpl").exists():
            self.skipTest("Debian's amtool is not installed")

    def test_the_same_words(self):
        names = self.names()
        self.assertGreater(len(names), 35)
        texts = [f'{{{{ template "{name}" . }}}}' for name in names] + TEXTS
        found = self.ours(texts)
        self.assertEqual(len(found), len(texts) * len(DATA))
        pairs = [(each, text) for each in DATA for text in texts]
        for (each, text), ours in zip(pairs, found):
            with self.subTest(text=text, status=each["status"]):
                self.assertEqual(ours, self.theirs(each, text))

    def test_html_is_escaped(self):
        texts = ["<b>{{ range .Alerts }}{{ .Annotations.summary }}{{ end }}</b>",
                 "<a href=\"{{ (index .Alerts 0).GeneratorURL }}\">x</a>",
                 "{{ template \"telegram.default.message\" . }}"]
        pairs = [(each, text) for each in DATA for text in texts]
        for (each, text), ours in zip(pairs, self.ours([], texts)):
            with self.subTest(text=text, status=each["status"]):
                self.assertEqual(ours, self.theirs(each, text, "html"))

    def test_the_mail_says_the_same(self):
        """Not the same page, but the same words and links."""
        words = lambda page: re.sub(r"\s+", " ", re.sub(r"<style>.*?</style>|<[^>]*>", " ", page, flags=re.S)).strip()
        links = lambda page: re.findall(r'href="([^"]*)"', page)
        text = '{{ template "email.default.html" . }}'
        for each, ours in zip(DATA, self.ours([], [text])):
            theirs = self.theirs(each, text, "html")["text"]
            with self.subTest(status=each["status"]):
                self.assertEqual(words(ours["text"]), words(theirs))
                self.assertEqual(links(ours["text"]), links(theirs))


if __name__ == "__main__":
    unittest.main()

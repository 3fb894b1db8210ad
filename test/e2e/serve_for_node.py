#!/usr/bin/env python3
"""Serves the JavaScript tests: prints where and with which keys, and ends with its input."""
import json
import pathlib
import subprocess
import sys
import tempfile

from gate import Gate, Mock, model, upstream

mock = Mock()
# Microsoft's library asks for tokens over TLS alone.
tls = tempfile.TemporaryDirectory(prefix="gatehouse-tls-")
key, certificate = pathlib.Path(tls.name, "key.pem"), pathlib.Path(tls.name, "cert.pem")
subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
                "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate],
               check=True, capture_output=True)
authority = Mock("--tls-cert", certificate, "--tls-key", key)
gate = Gate(mock, {
    "upstreams": [upstream(mock, retry={"retries": 0}), upstream(mock, "claude", kind="anthropic", retry={"retries": 0})],
    "models": [model("gpt"), model("claude", "claude")],
    "prices": [{"model": "gpt", "input": 1000, "output": 1000}],
}, keys={"slow": ["--requests-per-minute", "1"], "poor": ["--daily-usd", "0.001"]})
print(json.dumps({"url": gate.url, "keys": gate.keys, "mock": mock.url,
                  "authority": f"https://127.0.0.1:{authority.port}"}), flush=True)
sys.stdin.read()
gate.close()
mock.stop()
authority.stop()

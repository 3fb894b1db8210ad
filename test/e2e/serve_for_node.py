#!/usr/bin/env python3
"""Serves the JavaScript tests: prints where and with which keys, and ends with its input."""
import json
import sys

from gate import Gate, Mock, model, upstream

mock = Mock()
gate = Gate(mock, {
    "upstreams": [upstream(mock, retry={"retries": 0}), upstream(mock, "claude", kind="anthropic", retry={"retries": 0})],
    "models": [model("gpt"), model("claude", "claude")],
    "prices": [{"model": "gpt", "input": 1000, "output": 1000}],
}, keys={"slow": ["--requests-per-minute", "1"], "poor": ["--daily-usd", "0.001"]})
print(json.dumps({"url": gate.url, "keys": gate.keys, "mock": mock.url}), flush=True)
sys.stdin.read()
gate.close()
mock.stop()

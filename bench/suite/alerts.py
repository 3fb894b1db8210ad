"""Rules beside Debian's prometheus, and grouping of alerts beside Debian's Alertmanager.

The two halves measure by themselves (alerts_rules.py, alerts_groups.py): each has
`measure(options)`, which prints its figures and gives back one ratio, ours to the peer's,
that the last line is made of. Below 1 is less of what it costs.
"""
import importlib.util

from suite import alerts_rules
from suite.programs import machine, say

GROUPS_HALF = "suite.alerts_groups"


def run(options):
    say(f"machine: {machine()}")
    shown = [f"{alerts_rules.measure(options):.2f} x prometheus"]
    if importlib.util.find_spec(GROUPS_HALF):
        shown.append(f"{importlib.import_module(GROUPS_HALF).measure(options):.2f} x alertmanager")
    say(f"alerts: {', '.join(shown)}")
    return 0

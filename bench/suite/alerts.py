"""Rules beside Debian's prometheus, and grouping of alerts beside Debian's Alertmanager.

The two halves measure by themselves (alerts_rules.py, alerts_groups.py): each has
`measure(options)`, which prints its figures and gives back one ratio, ours to the peer's,
that the last line is made of. Below 1 is less of what it costs.
"""
from suite import alerts_groups, alerts_rules
from suite.programs import machine, say


def run(options):
    say(f"machine: {machine()}")
    rules, groups = alerts_rules.measure(options), alerts_groups.measure(options)
    say(f"alerts: {rules:.2f} x prometheus, {groups:.2f} x alertmanager")
    return 0

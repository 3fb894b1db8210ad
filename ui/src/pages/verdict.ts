// How things stand, in one sentence: the most pressing truth first. What it
// looks at, in order: whether anything can pass, whether much fails, whether an
// upstream is out, whether money is gone, whether one is unwell; else all is well.
import type { Overview } from '../contract';
import { count, dollarsOf, percent, plural, rate, sentence } from '../format';

export interface Verdict {
  tone: 'calm' | 'warn' | 'bad';
  title: string;
  detail: string;
}

// From this share of failing calls on, failing is the headline.
const failingRatio = 0.05;

const list = (names: string[]) =>
  names.length < 3 ? names.join(' and ') : `${names.slice(0, 2).join(', ')} and ${names.length - 2} more`;

export function verdict(o: Overview, range: string): Verdict {
  const out = o.upstreams.filter((u) => u.health === 'unhealthy' || u.breaker === 'open');
  const unwell = o.upstreams.filter((u) => !out.includes(u) && u.health === 'degraded');
  const left = o.upstreams.length - out.length;
  const traffic =
    o.calls === 0
      ? `No calls in the last ${range}.`
      : `${rate(o.calls_per_second)} calls a second over the last ${range}, ${count(o.in_flight)} in flight.`;
  const budget = o.spend.daily_budget_nanousd;
  const spent = budget ? dollarsOf(o.spend.today_nanousd) / dollarsOf(budget) : 0;

  if (o.upstreams.length === 0) {
    return { tone: 'calm', title: 'Nothing to guard yet.', detail: 'A few steps lead to the first call.' };
  }
  if (!o.checklist.first_call && out.length === 0) {
    return { tone: 'calm', title: 'The gate is open.', detail: 'No call has come through it yet.' };
  }
  if (left === 0) {
    return { tone: 'bad', title: 'No upstream is answering.', detail: sentence(`${out[0]?.name}: ${out[0]?.reason ?? 'unhealthy'}`) };
  }
  if (o.calls > 0 && (o.error_ratio ?? 0) >= failingRatio) {
    const detail = out.length ? `${list(out.map((u) => u.name))} is not answering. ${traffic}` : traffic;
    return { tone: 'bad', title: `${percent(o.error_ratio)} of calls are failing.`, detail };
  }
  if (out.length > 0) {
    const verb = out.length === 1 ? 'is' : 'are';
    return {
      tone: 'warn',
      title: `${list(out.map((u) => u.name))} ${verb} not answering.`,
      detail: `Calls go to the other ${left === 1 ? 'upstream' : plural(left, 'upstream')}. ${traffic}`,
    };
  }
  if (spent >= 1) {
    return { tone: 'bad', title: 'Today’s budget is spent.', detail: traffic };
  }
  if (unwell.length > 0) {
    const verb = unwell.length === 1 ? 'is' : 'are';
    return {
      tone: 'warn',
      title: `${list(unwell.map((u) => u.name))} ${verb} unwell.`,
      detail: `${unwell[0]?.reason ? `${sentence(unwell[0].reason)} ` : ''}${traffic}`,
    };
  }
  if (o.calls === 0) return { tone: 'calm', title: 'All quiet.', detail: traffic };
  return { tone: 'calm', title: 'All is passing.', detail: traffic };
}

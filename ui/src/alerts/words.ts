// How alerts, matchers and rules read.
import type { Labels } from '../metrics/api';
import type { Alert, Matcher, Rule, RuleGroup } from './api';

// Labels that say how bad it is, as the field's rule sets use them; worst first.
const severities: [RegExp, string, number][] = [
  [/^(critical|page|emergency|fatal|p1)$/i, 'error', 0],
  [/^(error|high|major|p2)$/i, 'error', 1],
  [/^(warning|warn|medium|minor|p3)$/i, 'degraded', 2],
  [/^(info|none|low|notice|p[45])$/i, 'unknown', 4],
];

export function severity(labels: Labels): { name: string; word: string; rank: number } {
  const name = labels['severity'] ?? labels['priority'] ?? '';
  for (const [pattern, word, rank] of severities) if (pattern.test(name)) return { name, word, rank };
  return { name: name || 'no severity', word: 'degraded', rank: 3 };
}

export const nameOfAlert = (labels: Labels) => labels['alertname'] ?? 'no name';

export const summaryOf = (annotations: Labels) =>
  annotations['summary'] ?? annotations['message'] ?? annotations['description'] ?? annotations['title'] ?? '';

export function matcherText(m: Matcher): string {
  const op = m.isRegex ? (m.isEqual ? '=~' : '!~') : m.isEqual ? '=' : '!=';
  const name = /^[A-Za-z_]\w*$/.test(m.name) ? m.name : JSON.stringify(m.name);
  return `${name}${op}${JSON.stringify(m.value)}`;
}

// name="value", one after another with commas or line ends between; the place and the
// reason where one cannot be read.
export function parseMatchers(text: string): Matcher[] | string {
  const out: Matcher[] = [];
  let rest = text.trim().replace(/^\{([\s\S]*)\}$/, '$1').trim();
  while (rest) {
    const found = /^(?:"((?:[^"\\]|\\.)*)"|([^\s{}!=~,\\"'`]+))\s*(=~|!~|!=|=)\s*(?:"((?:[^"\\]|\\.)*)"|([^\s{},"]*))\s*(?:,|\n|$)\s*/.exec(rest);
    if (!found) return `cannot be read from “${rest.slice(0, 40)}” on; write name="value", name!="value", name=~"pattern"`;
    const plain = (quoted: string) => quoted.replace(/\\(.)/g, (_, c: string) => (c === 'n' ? '\n' : c));
    out.push({
      name: found[1] !== undefined ? plain(found[1]) : (found[2] ?? ''),
      value: found[4] !== undefined ? plain(found[4]) : (found[5] ?? ''),
      isRegex: (found[3] ?? '').endsWith('~'),
      isEqual: !(found[3] ?? '').startsWith('!'),
    });
    rest = rest.slice(found[0].length);
  }
  if (!out.length) return 'names no label; write at least one matcher';
  return out;
}

export const matchersOf = (labels: Labels): Matcher[] =>
  Object.entries(labels).map(([name, value]) => ({ name, value, isRegex: false, isEqual: true }));

// The rule that an alert came from, by its name and the labels that the rule sets.
export function ruleOf(alert: Alert, groups: RuleGroup[] | null): Rule | null {
  for (const group of groups ?? []) {
    for (const rule of group.rules) {
      if (rule.type !== 'alerting' || rule.name !== alert.labels['alertname']) continue;
      const fixed = Object.entries(rule.labels ?? {}).filter(([, value]) => !value.includes('{{'));
      if (fixed.every(([name, value]) => alert.labels[name] === value)) return rule;
    }
  }
  return null;
}

// The expression that an alert's generatorURL names, of a rule evaluated elsewhere.
export function expressionOf(alert: Alert): string | null {
  try {
    return new URL(alert.generatorURL ?? '', location.href).searchParams.get('g0.expr');
  } catch {
    return null;
  }
}

// Links are followed only where they lead to a page.
export const linkOf = (text: string | undefined) => (text && /^(https?:\/\/|\/)/i.test(text) ? text : null);

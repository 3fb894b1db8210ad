// What the explorer shows, kept in the address: every panel's expression and form,
// and the time that all share. Addresses of Prometheus's own pages (g0.expr, g0.tab,
// g0.range_input) are understood, so that links in alerts lead here.
export type Form = 'graph' | 'table';

export interface Panel {
  expr: string;
  form: Form;
}

export interface View {
  panels: Panel[];
  range_s: number;
  end_s: number | null; // null: now, moving on
}

const units: Record<string, number> = { s: 1, m: 60, h: 3600, d: 86_400, w: 604_800, y: 31_536_000 };
export const rangeMin_s = 10;
const rangeMax_s = 10 * units['y']!;
export const panelsMax = 12;

export function parseRange(text: string): number | null {
  let total = 0;
  let rest = text.trim();
  while (rest) {
    const part = /^(\d+)([smhdwy])/.exec(rest);
    if (!part) return null;
    total += Number(part[1]) * (units[part[2] as string] ?? 0);
    rest = rest.slice(part[0].length);
  }
  return total >= rangeMin_s && total <= rangeMax_s ? total : null;
}

export function rangeText(seconds: number): string {
  let rest = Math.round(seconds);
  let text = '';
  // Fifteen days are 15d, not 2w1d.
  for (const unit of rest % 604_800 === 0 ? ['w'] : ['d', 'h', 'm', 's']) {
    const size = units[unit] ?? 1;
    const count = Math.floor(rest / size);
    if (count) text += `${count}${unit}`;
    rest -= count * size;
  }
  return text || '0s';
}

export const emptyView: View = { panels: [{ expr: '', form: 'graph' }], range_s: 3600, end_s: null };

function endOf(text: string | null): number | null {
  if (!text) return null;
  const seconds = /^\d+(\.\d+)?$/.test(text) ? Number(text) : Date.parse(text.replace(' ', 'T') + (/[zZ]|[+-]\d\d:?\d\d$/.test(text) ? '' : 'Z')) / 1000;
  return Number.isFinite(seconds) ? seconds : null;
}

export function readView(search: string): View {
  const words = new URLSearchParams(search);
  const panels: Panel[] = [];
  for (let i = 0; i < panelsMax && words.has(`g${i}.expr`); ++i) {
    const tab = words.get(`g${i}.tab`);
    panels.push({ expr: words.get(`g${i}.expr`) ?? '', form: tab === 'table' || tab === '1' ? 'table' : 'graph' });
  }
  return {
    panels: panels.length ? panels : emptyView.panels,
    range_s: parseRange(words.get('g0.range_input') ?? '') ?? emptyView.range_s,
    end_s: endOf(words.get('g0.end_input')),
  };
}

export function writeView(view: View): string {
  const words = new URLSearchParams();
  view.panels.forEach((panel, i) => {
    words.set(`g${i}.expr`, panel.expr);
    words.set(`g${i}.tab`, panel.form);
  });
  words.set('g0.range_input', rangeText(view.range_s));
  if (view.end_s !== null) words.set('g0.end_input', String(Math.round(view.end_s)));
  return words.toString();
}

// A point every two pixels is more than an eye tells apart, and whole seconds keep
// neighbouring queries comparable.
export function stepOf(range_s: number, widthPx: number): number {
  const points = Math.max(60, Math.min(1000, Math.floor(widthPx / 2)));
  const raw = range_s / points;
  const nice = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400, 43_200, 86_400];
  return nice.find((step) => step >= raw) ?? Math.ceil(raw / 86_400) * 86_400;
}

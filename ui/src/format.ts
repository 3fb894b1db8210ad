// Figures as people read them. Every function gives a dash for null, so that
// "unknown" never looks like zero.

export const dash = '–';

const whole = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 });
const compact = new Intl.NumberFormat('en-US', {
  notation: 'compact',
  maximumSignificantDigits: 3,
});

export const count = (n: number | null) => (n === null ? dash : whole.format(n));
export const shortCount = (n: number | null) =>
  n === null ? dash : n < 10_000 ? whole.format(n) : compact.format(n);

export function rate(n: number | null): string {
  if (n === null) return dash;
  if (n === 0) return '0';
  if (n < 0.1) return n.toFixed(3);
  if (n < 10) return n.toFixed(2);
  return n < 100 ? n.toFixed(1) : whole.format(n);
}

export function percent(ratio: number | null): string {
  if (ratio === null) return dash;
  const p = ratio * 100;
  if (p === 0) return '0%';
  if (p < 0.01) return '<0.01%';
  return `${p < 1 ? p.toFixed(2) : p < 10 ? p.toFixed(1) : p.toFixed(0)}%`;
}

export function duration(ms: number | null): string {
  if (ms === null) return dash;
  if (ms < 10) return `${ms.toFixed(1)} ms`;
  if (ms < 1000) return `${ms.toFixed(0)} ms`;
  if (ms < 10_000) return `${(ms / 1000).toFixed(2)} s`;
  if (ms < 60_000) return `${(ms / 1000).toFixed(1)} s`;
  const minutes = Math.floor(ms / 60_000);
  if (minutes < 60) return `${minutes} min ${Math.floor((ms % 60_000) / 1000)} s`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return `${hours} h ${minutes % 60} min`;
  return `${Math.floor(hours / 24)} days`;
}

export const dollarsOf = (nano: string) => Number(nano) / 1e9;

export function usd(nano: string | null): string {
  if (nano === null) return dash;
  const n = dollarsOf(nano);
  if (n === 0) return '$0';
  if (n < 0.000001) return '<$0.000001';
  if (n < 0.01) return `$${n.toFixed(6).replace(/0+$/, '')}`;
  if (n < 1) return `$${n.toFixed(3)}`;
  return n < 10_000
    ? `$${n.toLocaleString('en-US', { minimumFractionDigits: 2, maximumFractionDigits: 2 })}`
    : `$${whole.format(n)}`;
}

// "12.5" in dollars to nanodollars; null when it is no amount of money above 0.
export function nanousdOf(text: string): string | null {
  const match = /^\$?(\d{1,9})(?:\.(\d{1,9}))?$/.exec(text.trim());
  if (!match) return null;
  const nano = BigInt(match[1] ?? '0') * 1_000_000_000n + BigInt((match[2] ?? '').padEnd(9, '0'));
  return nano > 0n ? nano.toString() : null;
}

export function dollarText(nano: string | null): string {
  if (nano === null) return '';
  const digits = nano.padStart(10, '0');
  const cents = digits.slice(-9).replace(/0+$/, '');
  return digits.slice(0, -9) + (cents ? `.${cents.padEnd(2, '0')}` : '');
}

const clockFormat = new Intl.DateTimeFormat('en-GB', { timeStyle: 'medium' });
const shortClock = new Intl.DateTimeFormat('en-GB', { timeStyle: 'short' });
const dayFormat = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short' });
const fullFormat = new Intl.DateTimeFormat('en-GB', { dateStyle: 'medium', timeStyle: 'medium' });
const dateFormat = new Intl.DateTimeFormat('en-GB', { dateStyle: 'medium' });

export const clock = (at: number) => clockFormat.format(at);
export const hourMinute = (at: number) => shortClock.format(at);
export const day = (at: number) => dayFormat.format(at);
export const moment = (at: number) => fullFormat.format(at);
export const date = (at: number) => dateFormat.format(at);

export function ago(at: number | null, now = Date.now()): string {
  if (at === null) return 'never';
  const seconds = Math.max(0, Math.round((now - at) / 1000));
  if (seconds < 60) return `${seconds} s ago`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h ago`;
  const days = Math.floor(seconds / 86_400);
  return days < 60 ? `${days} ${days === 1 ? 'day' : 'days'} ago` : date(at);
}

export function until(at: number, now = Date.now()): string {
  const ms = at - now;
  if (ms <= 0) return 'now';
  return ms < 60_000 ? `in ${Math.ceil(ms / 1000)} s` : `in ${duration(ms)}`;
}

export const bytes = (n: number) =>
  n < 1024 ? `${n} B` : n < 1048576 ? `${(n / 1024).toFixed(1)} KiB` : `${(n / 1048576).toFixed(1)} MiB`;

export const plural = (n: number, one: string, many = `${one}s`) =>
  `${count(n)} ${n === 1 ? one : many}`;

export const sentence = (text: string) => {
  const end = /[.!?]$/.test(text) ? '' : '.';
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}${end}`;
};

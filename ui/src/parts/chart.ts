// One small chart of the home page, drawn by uPlot. The charts of a page share
// their cursor, so that a moment can be compared across them. All styling goes
// through the DOM: the pages allow no inline style.
import uPlot from 'uplot';
import { hourMinute } from '../format';

export interface Drawing {
  kind: 'bars' | 'line';
  tone: 'accent' | 'bad' | 'ink';
  at_ms: number[];
  values: (number | null)[];
  // A second series drawn over the first, as errors over calls.
  over?: (number | null)[];
  label: (value: number) => string;
  // The least top of the scale, so that noise near zero does not look like a mountain.
  least: number;
  hover: (index: number | null) => void;
}

const colors: Record<string, string> = {};

function readColors(host: HTMLElement): void {
  const probe = document.createElement('i');
  host.append(probe);
  for (const name of ['accent', 'accent-wash', 'bad', 'bad-wash', 'ink', 'ink-wash', 'line', 'quiet']) {
    probe.style.color = `var(--${name})`;
    colors[name] = getComputedStyle(probe).color;
  }
  probe.remove();
}

const color = (name: string) => () => colors[name] ?? '#888';

function axes(drawing: Drawing, font: string): uPlot.Axis[] {
  return [
    {
      stroke: color('quiet'),
      font,
      size: 22,
      gap: 4,
      space: 74,
      grid: { show: false },
      ticks: { show: false },
      values: (_, splits) => splits.map((s) => hourMinute(s * 1000)),
    },
    {
      side: 1,
      stroke: color('quiet'),
      font,
      size: 52,
      gap: 6,
      grid: { stroke: color('line'), width: 1 },
      ticks: { show: false },
      splits: (u) => [0, (u.scales['y']?.max ?? 1) / 2, u.scales['y']?.max ?? 1],
      values: (_, splits) => splits.map((s) => (s === 0 ? '0' : drawing.label(s).replace(/\.0+(?=\D|$)/, ''))),
    },
  ];
}

function seriesOf(drawing: Drawing): uPlot.Series[] {
  const bars = uPlot.paths.bars?.({ size: [0.8, 40], radius: 0.15, align: 1 });
  const main: uPlot.Series = {
    stroke: color(drawing.tone),
    fill: color(drawing.kind === 'bars' ? drawing.tone : `${drawing.tone}-wash`),
    width: drawing.kind === 'bars' ? 0 : 1.6,
    points: { show: false },
  };
  if (drawing.kind === 'bars' && bars) main.paths = bars;
  const list: uPlot.Series[] = [{}, main];
  if (drawing.over) {
    const over: uPlot.Series = { stroke: color('bad'), fill: color('bad'), width: 0, points: { show: false } };
    if (bars) over.paths = bars;
    list.push(over);
  }
  return list;
}

const dataOf = (d: Drawing): uPlot.AlignedData => {
  const at = d.at_ms.map((ms) => ms / 1000);
  return d.over ? [at, d.values, d.over] : [at, d.values];
};

export interface Chart {
  draw: (drawing: Drawing) => void;
  repaint: () => void;
  end: () => void;
}

// The next round number above a value: 1, 2, 2.5 or 5 times a power of ten.
export function roundUp(value: number): number {
  const power = 10 ** Math.floor(Math.log10(value));
  return ([1, 2, 2.5, 5, 10].find((m) => m * power >= value) ?? 10) * power;
}

export function chart(host: HTMLElement, first: Drawing): Chart {
  let drawing = first;
  readColors(host);
  const font = `11px ${getComputedStyle(host).fontFamily}`;
  const size = () => ({ width: Math.max(120, host.clientWidth), height: Math.max(60, host.clientHeight) });
  const plot = new uPlot(
    {
      ...size(),
      padding: [8, 0, 0, 0],
      legend: { show: false },
      cursor: {
        y: false,
        drag: { x: false, y: false },
        points: { show: drawing.kind === 'line', size: 7 },
        sync: { key: 'home' },
      },
      scales: {
        x: { time: true },
        y: { range: (_, __, max) => [0, roundUp(Math.max(drawing.least, max || 0) * 1.05)] },
      },
      axes: axes(drawing, font),
      series: seriesOf(drawing),
      hooks: { setCursor: [(u) => drawing.hover(u.cursor.idx ?? null)] },
    },
    dataOf(drawing),
    host,
  );
  const resize = new ResizeObserver(() => plot.setSize(size()));
  resize.observe(host);
  return {
    draw: (next) => {
      drawing = next;
      plot.setData(dataOf(next));
    },
    repaint: () => {
      readColors(host);
      plot.redraw(false, true);
    },
    end: () => {
      resize.disconnect();
      plot.destroy();
    },
  };
}

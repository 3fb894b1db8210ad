// A graph of many series, drawn by uPlot. Dragging over it chooses a range of time.
import uPlot from 'uplot';

export interface Line {
  name: string;
  color: number; // one of kColors
  hidden: boolean;
  values: (number | null)[];
}

export interface GraphDrawing {
  at_s: number[];
  lines: Line[];
  hover: (index: number | null) => void;
  zoom: (begin_s: number, end_s: number) => void;
}

export interface Graph {
  draw: (drawing: GraphDrawing) => void;
  end: () => void;
}

export const colorCount = 10;

const siUnits = ['', 'k', 'M', 'G', 'T', 'P', 'E'];

export function shortNumber(value: number): string {
  if (!Number.isFinite(value)) return Number.isNaN(value) ? 'NaN' : value > 0 ? '+Inf' : '-Inf';
  const size = Math.abs(value);
  if (size >= 1000) {
    const power = Math.min(siUnits.length - 1, Math.floor(Math.log10(size) / 3));
    return `${Number((value / 1000 ** power).toPrecision(4))}${siUnits[power]}`;
  }
  return size !== 0 && size < 1e-3 ? value.toExponential(2) : String(Number(value.toPrecision(4)));
}

function readColors(host: HTMLElement): (name: string) => string {
  const found: Record<string, string> = {};
  const probe = document.createElement('i');
  host.append(probe);
  const names = ['line', 'quiet', 'ink', ...Array.from({ length: colorCount }, (_, i) => `series-${i}`)];
  for (const name of names) {
    probe.style.color = `var(--${name})`;
    found[name] = getComputedStyle(probe).color;
  }
  probe.remove();
  return (name) => found[name] ?? '#888';
}

export function graph(host: HTMLElement, first: GraphDrawing): Graph {
  let drawing = first;
  let plot: uPlot | null = null;
  const size = () => ({ width: Math.max(200, host.clientWidth), height: Math.max(160, host.clientHeight) });
  const shape = (d: GraphDrawing) => d.lines.map((line) => `${line.color}${line.hidden}`).join();

  const make = () => {
    plot?.destroy();
    const color = readColors(host);
    const font = `11px ${getComputedStyle(host).fontFamily}`;
    const axis = { stroke: color('quiet'), font, grid: { stroke: color('line'), width: 1 }, ticks: { show: false } };
    plot = new uPlot(
      {
        ...size(),
        legend: { show: false },
        cursor: { drag: { x: true, y: false, setScale: false }, points: { size: 6 }, focus: { prox: 24 } },
        focus: { alpha: 0.35 },
        scales: { x: { time: true } },
        axes: [axis, { ...axis, size: 64, values: (_, splits) => splits.map(shortNumber) }],
        series: [
          {},
          ...drawing.lines.map((line) => ({
            show: !line.hidden,
            stroke: color(`series-${line.color}`),
            width: 1.5,
            points: { show: false },
            spanGaps: false,
          })),
        ],
        hooks: {
          setCursor: [(u) => drawing.hover(u.cursor.idx ?? null)],
          setSelect: [
            (u) => {
              if (u.select.width < 4) return;
              const begin = u.posToVal(u.select.left, 'x');
              const end = u.posToVal(u.select.left + u.select.width, 'x');
              u.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
              drawing.zoom(begin, end);
            },
          ],
        },
      },
      [drawing.at_s, ...drawing.lines.map((line) => line.values)],
      host,
    );
  };
  make();
  const resized = new ResizeObserver(() => plot?.setSize(size()));
  resized.observe(host);
  return {
    draw: (next) => {
      const same = shape(next) === shape(drawing);
      drawing = next;
      if (same) plot?.setData([next.at_s, ...next.lines.map((line) => line.values)]);
      else make();
    },
    end: () => {
      resized.disconnect();
      plot?.destroy();
    },
  };
}

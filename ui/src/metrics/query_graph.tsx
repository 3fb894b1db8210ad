// An expression's answer, and its graph with the legend.
import { useSignalEffect } from '@preact/signals';
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import { asApiError, type ApiError } from '../api';
import { moment } from '../format';
import { Empty, Failure, Loading } from '../parts/basics';
import { paint } from '../theme';
import { ask, nameOf, numberOf, type Answer, type QueryData, type ResultSeries } from './api';
import { colorCount, graph, shortNumber, type Graph, type GraphDrawing } from './graph';
import { rangeMin_s, rangeText, stepOf, type Form, type Panel as PanelState, type View } from './view';

// More lines than this say nothing to an eye, and a table shows them all.
const linesMax = 200;
const rowsMax = 1000;

export interface Shown {
  answer: Answer<QueryData>;
  form: Form;
  begin_s: number;
  end_s: number;
  step_s: number;
  took_ms: number;
}

export function useQuery(panel: PanelState, view: View, turn: number, width: () => number) {
  const [shown, setShown] = useState<Shown | null>(null);
  const [error, setError] = useState<ApiError | null>(null);
  const [asking, setAsking] = useState(false);
  useEffect(() => {
    if (!panel.expr.trim()) {
      setShown(null);
      setError(null);
      return undefined;
    }
    const stop = new AbortController();
    const end_s = view.end_s ?? Date.now() / 1000;
    const step_s = stepOf(view.range_s, width());
    // Ends lie on the step's grid, so that asking again does not make a graph tremble.
    const end = Math.floor(end_s / step_s) * step_s;
    const begin = end - Math.floor(view.range_s / step_s) * step_s;
    const began = performance.now();
    setAsking(true);
    const asked =
      panel.form === 'graph'
        ? ask<QueryData>('query_range', { query: panel.expr, start: `${begin}`, end: `${end}`, step: `${step_s}` }, stop.signal)
        : ask<QueryData>('query', { query: panel.expr, time: `${end_s}`, limit: `${rowsMax}` }, stop.signal);
    asked
      .then((answer) => {
        setShown({ answer, form: panel.form, begin_s: begin, end_s: end, step_s, took_ms: performance.now() - began });
        setError(null);
        setAsking(false);
      })
      .catch((thrown: unknown) => {
        if (stop.signal.aborted) return;
        setError(asApiError(thrown));
        setAsking(false);
      });
    return () => stop.abort();
  }, [panel.expr, panel.form, view.range_s, view.end_s, turn]);
  return { shown, error, asking };
}

// Every step has a place, so that a gap in the data is a gap in the line.
function valuesOf(series: ResultSeries, shown: Shown): (number | null)[] {
  const count = Math.round((shown.end_s - shown.begin_s) / shown.step_s) + 1;
  const values: (number | null)[] = new Array(count).fill(null);
  for (const [at_s, text] of series.values ?? []) {
    const value = numberOf(text);
    values[Math.round((at_s - shown.begin_s) / shown.step_s)] = Number.isFinite(value) ? value : null;
  }
  for (const [at_s, histogram] of series.histograms ?? []) {
    values[Math.round((at_s - shown.begin_s) / shown.step_s)] = numberOf(histogram.count);
  }
  return values;
}

export function Notes({ answer }: { answer: Answer<QueryData> }) {
  if (!answer.warnings.length && !answer.infos.length) return null;
  return (
    <ul class="notes" role="status">
      {answer.warnings.map((text) => (
        <li key={text} class="state warn">
          <svg viewBox="0 0 10 10" aria-hidden="true">
            <path d="M5 .9 9.4 9H.6z" />
          </svg>
          {text}
        </li>
      ))}
      {answer.infos.map((text) => (
        <li key={text}>{text}</li>
      ))}
    </ul>
  );
}

export function GraphView({ shown, zoom }: { shown: Shown; zoom: (begin_s: number, end_s: number) => void }) {
  const host = useRef<HTMLDivElement>(null);
  const made = useRef<Graph | null>(null);
  const [hidden, setHidden] = useState<ReadonlySet<string>>(new Set());
  const [at, setAt] = useState<number | null>(null);
  const matrix = shown.answer.data.resultType === 'matrix' ? (shown.answer.data.result as ResultSeries[]) : [];
  const lines = matrix.slice(0, linesMax).map((series, i) => {
    const name = nameOf(series.metric);
    return { name, color: i % colorCount, hidden: hidden.has(name), values: valuesOf(series, shown) };
  });
  const drawing: GraphDrawing = {
    at_s: lines[0]?.values.map((_, i) => shown.begin_s + i * shown.step_s) ?? [],
    lines,
    hover: setAt,
    zoom: (begin_s, end_s) => {
      if (end_s - begin_s >= rangeMin_s) zoom(begin_s, end_s);
    },
  };
  useLayoutEffect(() => {
    if (!host.current) return;
    if (made.current) made.current.draw(drawing);
    else made.current = graph(host.current, drawing);
  }, [shown, hidden]);
  useEffect(
    () => () => {
      made.current?.end();
      made.current = null;
    },
    [],
  );
  useSignalEffect(() => {
    if (paint.value > 0 && made.current && host.current) {
      made.current.end();
      made.current = graph(host.current, drawing);
    }
  });
  // One alone is shown by a plain click; clicking it again brings all back.
  const toggle = (name: string, only: boolean) => {
    const others = lines.map((line) => line.name).filter((each) => each !== name);
    setHidden((before) => {
      const alone = !before.has(name) && others.length > 0 && others.every((each) => before.has(each));
      if (only) return alone ? new Set() : new Set(others);
      const after = new Set(before);
      if (!after.delete(name)) after.add(name);
      return after;
    });
  };
  return (
    <>
      <div class="canvas" ref={host} role="img" aria-label={`Graph of ${matrix.length} series over ${rangeText(shown.end_s - shown.begin_s)}`} />
      {matrix.length > linesMax && (
        <p class="quiet">
          The first {linesMax} of {matrix.length} series are drawn; the table shows more.
        </p>
      )}
      <ul class="legend" aria-label="Series">
        {lines.map((line) => (
          <li key={line.name}>
            <button
              type="button"
              aria-pressed={!line.hidden}
              title="Show this series alone; with Ctrl, hide or show it"
              onClick={(event) => toggle(line.name, !(event.ctrlKey || event.metaKey))}
            >
              <svg class={`swatch series-${line.color}`} viewBox="0 0 10 10" aria-hidden="true">
                <rect width="10" height="10" rx="2" />
              </svg>
              <span class="legend-name">{line.name}</span>
              <span class="legend-value">
                {at !== null && line.values[at] !== null && line.values[at] !== undefined ? shortNumber(line.values[at] as number) : ''}
              </span>
            </button>
          </li>
        ))}
      </ul>
      <p class="quiet graph-at" aria-hidden="true">
        {at === null ? ' ' : moment((shown.begin_s + at * shown.step_s) * 1000)}
      </p>
    </>
  );
}

// The graph of one expression up to now, for pages that show it beside other things.
export function QueryGraph({ expr, range_s }: { expr: string; range_s: number }) {
  const host = useRef<HTMLDivElement>(null);
  const { shown, error } = useQuery({ expr, form: 'graph' }, { panels: [], range_s, end_s: null }, 0, () => host.current?.clientWidth ?? 800);
  const lines = shown ? (shown.answer.data.result as ResultSeries[]).length : 0;
  return (
    <div ref={host}>
      {error && <Failure error={error} />}
      {!shown && !error && <Loading rows={3} />}
      {shown && lines === 0 && <Empty title="No data in this time." />}
      {shown && lines > 0 && <GraphView shown={shown} zoom={() => undefined} />}
    </div>
  );
}

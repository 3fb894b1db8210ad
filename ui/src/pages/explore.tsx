// The metrics explorer: panels of PromQL over one range of time. Everything it shows
// is in the address.
import { useEffect, useState } from 'preact/hooks';
import { MetricTabs } from '../metrics/tabs';
import { Panel } from '../metrics/panel';
import { panelsMax, parseRange, rangeText, readView, writeView, type View } from '../metrics/view';
import { moment } from '../format';
import { Heading } from '../parts/basics';

const ranges = ['5m', '15m', '1h', '6h', '1d', '1w'];
const refreshes = [0, 5, 15, 60];

function useView(): [View, (view: View) => void] {
  const [view, setView] = useState(() => readView(location.search));
  useEffect(() => {
    const back = () => setView(readView(location.search));
    addEventListener('popstate', back);
    return () => removeEventListener('popstate', back);
  }, []);
  return [
    view,
    (next) => {
      history.pushState(null, '', `${location.pathname}?${writeView(next)}`);
      setView(next);
    },
  ];
}

function RangeField({ view, set }: { view: View; set: (view: View) => void }) {
  const [text, setText] = useState(rangeText(view.range_s));
  useEffect(() => setText(rangeText(view.range_s)), [view.range_s]);
  const wrong = parseRange(text) === null;
  return (
    <form
      class="range-form"
      onSubmit={(event) => {
        event.preventDefault();
        const range_s = parseRange(text);
        if (range_s !== null) set({ ...view, range_s });
      }}
    >
      <label>
        <span class="unseen">Range</span>
        <input
          class="range-input"
          value={text}
          aria-invalid={wrong}
          title="How far back: 30s, 5m, 1h30m, 2d"
          onInput={(event) => setText(event.currentTarget.value)}
          onBlur={() => wrong && setText(rangeText(view.range_s))}
        />
      </label>
    </form>
  );
}

export function Explore(_: { params: Record<string, string | undefined> }) {
  const [view, set] = useView();
  const [turn, setTurn] = useState(0);
  const [every_s, setEvery] = useState(0);
  const rerun = () => setTurn((n) => n + 1);
  useEffect(() => {
    if (!every_s || view.end_s !== null) return undefined;
    const timer = setInterval(() => !document.hidden && rerun(), every_s * 1000);
    return () => clearInterval(timer);
  }, [every_s, view.end_s]);
  const shift = (ranges_: number) => {
    const now_s = Date.now() / 1000;
    const end_s = (view.end_s ?? now_s) + ranges_ * view.range_s;
    set({ ...view, end_s: end_s >= now_s ? null : end_s });
  };
  return (
    <>
      <div class="head">
        <Heading title="Metrics" />
        <MetricTabs at="/graph" />
      </div>
      <div class="time-bar" role="group" aria-label="Time">
        <button type="button" class="button" onClick={() => shift(-0.5)} aria-label="Earlier" title="Earlier by half the range">
          ‹
        </button>
        <RangeField view={view} set={set} />
        <div class="choice" role="group" aria-label="Range">
          {ranges.map((text) => (
            <button key={text} type="button" aria-pressed={rangeText(view.range_s) === text} onClick={() => set({ ...view, range_s: parseRange(text) ?? 3600 })}>
              {text}
            </button>
          ))}
        </div>
        <button type="button" class="button" onClick={() => shift(0.5)} disabled={view.end_s === null} aria-label="Later" title="Later by half the range">
          ›
        </button>
        {view.end_s === null ? (
          <label class="refresh">
            <span>Again every</span>
            <select value={String(every_s)} onChange={(event) => setEvery(Number(event.currentTarget.value))}>
              {refreshes.map((s) => (
                <option key={s} value={s}>
                  {s ? rangeText(s) : 'never'}
                </option>
              ))}
            </select>
          </label>
        ) : (
          <>
            <span class="quiet">until {moment(view.end_s * 1000)}</span>
            <button type="button" class="button small" onClick={() => set({ ...view, end_s: null })}>
              Now
            </button>
          </>
        )}
        {view.panels.length < panelsMax && (
          <button type="button" class="button add-panel" onClick={() => set({ ...view, panels: [...view.panels, { expr: '', form: 'graph' }] })}>
            Add a panel
          </button>
        )}
      </div>
      {view.panels.map((panel, i) => (
        <Panel
          key={i}
          panel={panel}
          number={i + 1}
          view={view}
          turn={turn}
          change={(next) => set({ ...view, panels: view.panels.map((each, k) => (k === i ? next : each)) })}
          remove={view.panels.length > 1 ? () => set({ ...view, panels: view.panels.filter((_each, k) => k !== i) }) : null}
          zoom={(begin_s, end_s) => set({ ...view, range_s: Math.round(end_s - begin_s), end_s })}
          rerun={rerun}
        />
      ))}
    </>
  );
}

// One panel of the explorer: an expression, and its answer as a graph or a table.
import { useEffect, useRef } from 'preact/hooks';
import { clock } from '../format';
import { Empty, Failure, Loading } from '../parts/basics';
import { nameOf, type ResultSeries } from './api';
import { editor, type Editor } from './editor';
import { GraphView, Notes, useQuery, type Shown } from './query_graph';
import { rangeText, type Form, type Panel as PanelState, type View } from './view';

function TableView({ shown }: { shown: Shown }) {
  const { data } = shown.answer;
  if (data.resultType === 'scalar' || data.resultType === 'string') {
    return <p class="scalar">{(data.result as [number, string])[1]}</p>;
  }
  const rows = data.result as ResultSeries[];
  return (
    <div class="scroll-x" tabIndex={0} role="region" aria-label="Table of values">
      <table class="values">
        <thead>
          <tr>
            <th scope="col">Series</th>
            <th scope="col" class="number">
              Value
            </th>
          </tr>
        </thead>
        <tbody>
          {rows.map((series) => (
            <tr key={nameOf(series.metric)}>
              <td>
                <code>{nameOf(series.metric)}</code>
              </td>
              <td class="number">
                {series.value?.[1] ??
                  (series.histogram ? `count ${series.histogram[1].count}, sum ${series.histogram[1].sum}` : '')}
                {series.values?.map(([at_s, text]) => (
                  <div key={at_s}>
                    {text} <small>@ {clock(at_s * 1000)}</small>
                  </div>
                ))}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

interface PanelProps {
  panel: PanelState;
  number: number;
  view: View;
  turn: number;
  change: (panel: PanelState) => void;
  remove: (() => void) | null;
  zoom: (begin_s: number, end_s: number) => void;
  rerun: () => void;
}

export function Panel({ panel, number, view, turn, change, remove, zoom, rerun }: PanelProps) {
  const host = useRef<HTMLDivElement>(null);
  const field = useRef<Editor | null>(null);
  const latest = useRef({ panel, change, rerun });
  latest.current = { panel, change, rerun };
  const { shown, error, asking } = useQuery(panel, view, turn, () => host.current?.clientWidth ?? 800);
  useEffect(() => {
    if (!host.current) return undefined;
    const run = (expr: string) => {
      if (expr === latest.current.panel.expr) latest.current.rerun();
      else latest.current.change({ ...latest.current.panel, expr });
    };
    field.current = editor(host.current, { label: `Expression ${number}`, text: panel.expr, run });
    if (!panel.expr && number === 1) field.current.focus();
    return () => field.current?.end();
  }, []);
  useEffect(() => field.current?.set(panel.expr), [panel.expr]);
  const rows = shown && Array.isArray(shown.answer.data.result) ? shown.answer.data.result.length : 0;
  const isEmpty = shown && shown.answer.data.resultType !== 'scalar' && shown.answer.data.resultType !== 'string' && rows === 0;
  return (
    <section class="panel" aria-label={`Panel ${number}`}>
      <div class="panel-head">
        <div class="editor" ref={host} />
        <button
          type="button"
          class="button primary"
          onClick={() => {
            const expr = field.current?.text() ?? panel.expr;
            if (expr === panel.expr) rerun();
            else change({ ...panel, expr });
          }}
        >
          Run
        </button>
        {remove && (
          <button type="button" class="button bare" onClick={remove} aria-label={`Remove panel ${number}`} title="Remove this panel">
            ×
          </button>
        )}
      </div>
      <div class="panel-bar">
        <div class="choice" role="group" aria-label="Form">
          {(['graph', 'table'] as Form[]).map((form) => (
            <button key={form} type="button" aria-pressed={panel.form === form} onClick={() => change({ ...panel, form })}>
              {form === 'graph' ? 'Graph' : 'Table'}
            </button>
          ))}
        </div>
        <p class="quiet" role="status">
          {asking
            ? 'Asking…'
            : shown
              ? `${rows} series in ${Math.round(shown.took_ms)} ms${shown.form === 'graph' ? `, a point every ${rangeText(shown.step_s)}` : ''}`
              : ''}
        </p>
      </div>
      <div class={`result ${panel.form}`} data-asked={panel.expr !== ''}>
        {shown && <Notes answer={shown.answer} />}
        {error && <Failure error={error} retry={rerun} />}
        {!error && !shown && asking && <Loading rows={4} />}
        {!error && isEmpty && (
          <Empty title="No series matches.">
            <p>Nothing of this name has a sample in the time chosen.</p>
          </Empty>
        )}
        {!error && shown && !isEmpty && (shown.form === 'graph' ? <GraphView shown={shown} zoom={zoom} /> : <TableView shown={shown} />)}
      </div>
    </section>
  );
}

// The place of a chart on a page. The space is taken at once; the drawing code
// is a chunk of its own that arrives after the first paint.
import { useSignalEffect } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import { paint } from '../theme';
import type { Chart, Drawing } from './chart';

const drawingCode = () => import('./chart');

export function Plot({ label, drawing }: { label: string; drawing: Drawing | null }) {
  const host = useRef<HTMLDivElement>(null);
  const made = useRef<Chart | null>(null);
  const latest = useRef(drawing);
  latest.current = drawing;

  useEffect(() => {
    let gone = false;
    if (!drawing) return undefined;
    if (made.current) {
      made.current.draw(drawing);
      return undefined;
    }
    void drawingCode().then(({ chart }) => {
      if (gone || made.current || !host.current || !latest.current) return;
      made.current = chart(host.current, latest.current);
    });
    return () => {
      gone = true;
    };
  }, [drawing]);
  useEffect(
    () => () => {
      made.current?.end();
      made.current = null;
    },
    [],
  );
  useSignalEffect(() => {
    if (paint.value > 0) made.current?.repaint();
  });
  return <div class="plot" ref={host} role="img" aria-label={label} />;
}

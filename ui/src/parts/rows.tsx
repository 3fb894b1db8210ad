// A table of which only the rows in sight exist. One row is a tab stop; the
// arrow keys, j and k, Home and End move it, Enter follows its link. The focused
// row is kept in the document while it is scrolled out of sight, so that focus is
// never lost.
import {
  Virtualizer,
  defaultRangeExtractor,
  elementScroll,
  observeElementOffset,
  observeElementRect,
} from '@tanstack/virtual-core';
import type { ComponentChildren, RefObject } from 'preact';
import { useEffect, useLayoutEffect, useReducer, useRef, useState } from 'preact/hooks';

interface RowsProps<T> {
  label: string;
  columns: { name: string; class?: string }[];
  items: T[];
  rowPx: number;
  keyOf: (item: T) => string;
  // The cells of a row; `link` belongs on the row's one link.
  row: (item: T, link: { tabIndex: number; 'data-row-link': true }) => ComponentChildren;
  scroller: RefObject<HTMLDivElement>;
  onEnd: () => void;
  onTop: (atTop: boolean) => void;
  children?: ComponentChildren;
}

// Rows beyond the edges that are drawn too, so that quick scrolling shows no gap.
const overscan = 8;
// The next page is asked for when so few rows are left below.
const rowsBeforeEnd = 30;

export function Rows<T>(props: RowsProps<T>) {
  const { items, rowPx, keyOf, scroller } = props;
  const [, rerender] = useReducer((n: number) => n + 1, 0);
  const [current, setCurrent] = useState<string | null>(null);
  const moveTo = useRef<string | null>(null);
  const found = current === null ? 0 : items.findIndex((item) => keyOf(item) === current);
  const at = Math.max(0, found);
  const options = {
    count: items.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => rowPx,
    getItemKey: (i: number) => keyOf(items[i] as T),
    overscan,
    observeElementRect,
    observeElementOffset,
    scrollToFn: elementScroll,
    onChange: rerender as () => void,
    rangeExtractor: (range: Parameters<typeof defaultRangeExtractor>[0]) => {
      const list = defaultRangeExtractor(range);
      return at < items.length && !list.includes(at) ? [...list, at].sort((a, b) => a - b) : list;
    },
  };
  const [virtual] = useState(() => new Virtualizer<HTMLDivElement, HTMLDivElement>(options));
  virtual.setOptions(options);
  useEffect(() => virtual._didMount(), []);
  useLayoutEffect(() => virtual._willUpdate());
  useEffect(() => virtual.measure(), [rowPx]);

  const shown = virtual.getVirtualItems();
  const last = shown[shown.length - 1]?.index ?? 0;
  useEffect(() => {
    if (items.length && last >= items.length - rowsBeforeEnd) props.onEnd();
  }, [last, items.length]);
  useEffect(() => {
    if (!moveTo.current) return;
    const row = scroller.current?.querySelector<HTMLElement>(`[data-row="${CSS.escape(moveTo.current)}"] [data-row-link]`);
    if (row) {
      moveTo.current = null;
      row.focus({ preventScroll: true });
    }
  });

  const move = (to: number) => {
    const index = Math.min(items.length - 1, Math.max(0, to));
    const item = items[index];
    if (!item) return;
    moveTo.current = keyOf(item);
    setCurrent(keyOf(item));
    virtual.scrollToIndex(index, { align: 'auto' });
    rerender(undefined as never);
  };
  const page = Math.max(1, Math.floor((scroller.current?.clientHeight ?? 400) / rowPx) - 2);
  const steps: Record<string, number> = {
    ArrowDown: at + 1,
    j: at + 1,
    ArrowUp: at - 1,
    k: at - 1,
    PageDown: at + page,
    PageUp: at - page,
    Home: 0,
    End: items.length - 1,
  };
  return (
    <div
      class="rows"
      role="table"
      aria-label={props.label}
      aria-rowcount={items.length + 1}
      onKeyDown={(event) => {
        const to = steps[event.key];
        if (to === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
        event.preventDefault();
        move(to);
      }}
    >
      <div role="rowgroup">
        <div class="row rows-head" role="row" aria-rowindex={1}>
          {props.columns.map((c) => (
            <span key={c.name} role="columnheader" class={c.class ?? ''}>
              {c.name}
            </span>
          ))}
        </div>
      </div>
      <div
        class="rows-scroll"
        ref={scroller}
        role="rowgroup"
        tabIndex={items.length ? -1 : 0}
        onScroll={(event) => props.onTop(event.currentTarget.scrollTop < rowPx / 2)}
      >
        <div class="rows-space" role="presentation" style={{ height: `${virtual.getTotalSize()}px` }}>
          {shown.map((v) => {
            const item = items[v.index];
            if (!item) return null;
            const key = keyOf(item);
            return (
              <div
                key={key}
                class="row"
                role="row"
                data-row={key}
                aria-rowindex={v.index + 2}
                style={{ transform: `translateY(${v.start}px)`, height: `${rowPx}px` }}
                onFocusCapture={() => current !== key && setCurrent(key)}
              >
                {props.row(item, { tabIndex: v.index === at ? 0 : -1, 'data-row-link': true })}
              </div>
            );
          })}
        </div>
        {props.children}
      </div>
    </div>
  );
}

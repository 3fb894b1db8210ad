// The PromQL editor: CodeMirror with Prometheus's own grammar, completion from the
// server's metrics and labels, and linting. A chunk of its own, fetched when the
// explorer opens.
import { autocompletion, closeBrackets, closeBracketsKeymap, completionKeymap } from '@codemirror/autocomplete';
import { defaultKeymap, history, historyKeymap, insertNewlineAndIndent } from '@codemirror/commands';
import { bracketMatching, HighlightStyle, indentOnInput, syntaxHighlighting } from '@codemirror/language';
import { lintKeymap } from '@codemirror/lint';
import { EditorState, Prec } from '@codemirror/state';
import { EditorView, keymap, placeholder } from '@codemirror/view';
import { tags } from '@lezer/highlight';
import { PromQLExtension } from '@prometheus-io/codemirror-promql';

const colors = HighlightStyle.define([
  { tag: tags.keyword, class: 'ql-keyword' },
  { tag: tags.function(tags.variableName), class: 'ql-function' },
  { tag: [tags.string, tags.special(tags.string)], class: 'ql-string' },
  { tag: tags.number, class: 'ql-number' },
  { tag: tags.labelName, class: 'ql-label' },
  { tag: tags.comment, class: 'ql-comment' },
  { tag: tags.modifier, class: 'ql-keyword' },
  { tag: tags.invalid, class: 'ql-invalid' },
]);

export interface Editor {
  text: () => string;
  set: (text: string) => void;
  focus: () => void;
  end: () => void;
}

interface Wiring {
  label: string;
  text: string;
  run: (text: string) => void;
}

export function editor(host: HTMLElement, { label, text, run }: Wiring): Editor {
  const promql = new PromQLExtension().setComplete({
    remote: { url: '', httpMethod: 'GET', cache: { maxAge: 60_000 } },
  });
  const runKey = {
    key: 'Enter',
    run: (view: EditorView) => {
      run(view.state.doc.toString());
      return true;
    },
  };
  const view = new EditorView({
    parent: host,
    state: EditorState.create({
      doc: text,
      extensions: [
        history(),
        indentOnInput(),
        bracketMatching(),
        closeBrackets(),
        autocompletion({ icons: false }),
        syntaxHighlighting(colors),
        promql.asExtension(),
        EditorView.lineWrapping,
        EditorView.contentAttributes.of({ 'aria-label': label, spellcheck: 'false' }),
        placeholder('An expression in PromQL: Enter runs it, Shift+Enter begins a line'),
        // Below the list of completions, which takes Enter while it is open.
        keymap.of([...closeBracketsKeymap, ...historyKeymap, ...completionKeymap, ...lintKeymap]),
        Prec.high(keymap.of([{ key: 'Shift-Enter', run: insertNewlineAndIndent }])),
        keymap.of([runKey, ...defaultKeymap]),
      ],
    }),
  });
  return {
    text: () => view.state.doc.toString(),
    set: (next) => {
      if (next === view.state.doc.toString()) return;
      view.dispatch({ changes: { from: 0, to: view.state.doc.length, insert: next } });
    },
    focus: () => view.focus(),
    end: () => view.destroy(),
  };
}

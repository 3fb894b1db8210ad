// The rules that are watched: their state and health, and what they ask.
import { useState } from 'preact/hooks';
import { Link } from 'wouter-preact';
import { rules as askRules, useFresh, type Rule, type RuleGroup } from '../alerts/api';
import { AlertTabs, LabelTags } from '../alerts/parts';
import { summaryOf } from '../alerts/words';
import { ago, duration, plural } from '../format';
import { rangeText } from '../metrics/view';
import { Empty, Failure, Heading, Loading, State } from '../parts/basics';

function stateOf(rule: Rule): [string, string] {
  if (rule.health === 'err') return ['error', 'fails'];
  if (rule.health === 'unknown') return ['unknown', 'not yet'];
  if (rule.type === 'recording') return ['ok', 'records'];
  if (rule.state === 'firing') return ['error', `fires (${rule.alerts?.filter((each) => each.state === 'firing').length ?? 0})`];
  return rule.state === 'pending' ? ['degraded', 'pending'] : ['ok', 'quiet'];
}

function Row({ rule }: { rule: Rule }) {
  const [word, text] = stateOf(rule);
  return (
    <tr id={encodeURIComponent(rule.name)}>
      <td>
        <State word={word}>{text}</State>
      </td>
      <td>
        <strong>{rule.name}</strong>
        {rule.duration ? <small class="quiet"> for {rangeText(rule.duration)}</small> : null}
        {rule.labels && <LabelTags labels={rule.labels} />}
        <p class="rule-query">
          <Link href={`/graph?${new URLSearchParams({ 'g0.expr': rule.query, 'g0.tab': 'graph' })}`}>
            <code>{rule.query}</code>
          </Link>
        </p>
        {rule.lastError && <p class="reason bad">{rule.lastError}</p>}
        {rule.annotations && <p class="reason">{summaryOf(rule.annotations)}</p>}
      </td>
      <td class="num mid">{rule.health === 'unknown' ? 'not yet' : ago(Date.parse(rule.lastEvaluation))}</td>
      <td class="num mid">{duration(rule.evaluationTime * 1000)}</td>
    </tr>
  );
}

function GroupSection({ group, rules, at }: { group: RuleGroup; rules: Rule[]; at: number }) {
  return (
    <section aria-labelledby={`rules-${at}`}>
      <h2 id={`rules-${at}`}>
        {group.name}{' '}
        <small class="quiet">
          {group.file}, every {rangeText(group.interval)}, took {duration(group.evaluationTime * 1000)}
        </small>
      </h2>
      <div class="table-box" tabIndex={0} role="region" aria-label={`Rules of ${group.name}`}>
        <table class="table rules">
          <thead>
            <tr>
              <th scope="col">State</th>
              <th scope="col">Rule</th>
              <th scope="col" class="num mid">
                Evaluated
              </th>
              <th scope="col" class="num mid">
                Took
              </th>
            </tr>
          </thead>
          <tbody>
            {rules.map((rule, i) => (
              <Row key={`${rule.name} ${i}`} rule={rule} />
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}

const troubled = (rule: Rule) => rule.health === 'err' || rule.state === 'firing' || rule.state === 'pending';

export function Rules(_: { params: Record<string, string | undefined> }) {
  const { data, error, load } = useFresh(askRules, 'rules', 10_000);
  const [text, setText] = useState('');
  const [only, setOnly] = useState(false);
  const wanted = text.trim().toLowerCase();
  const shown = (data ?? [])
    .map((group) => ({
      group,
      rules: group.rules.filter((rule) => (!only || troubled(rule)) && (!wanted || `${group.name} ${rule.name} ${rule.query}`.toLowerCase().includes(wanted))),
    }))
    .filter(({ rules }) => rules.length);
  const all = data?.flatMap((group) => group.rules) ?? [];
  const failing = all.filter((rule) => rule.health === 'err').length;
  return (
    <>
      <div class="head">
        <Heading title="Rules" />
        <AlertTabs at="/rules" />
      </div>
      {error && <Failure error={error} retry={load} />}
      {!data && !error && <Loading rows={8} />}
      {data && all.length > 0 && (
        <div class="alert-bar">
          <label class="history-filter">
            <span class="unseen">Find a rule</span>
            <input value={text} placeholder="Find a rule" onInput={(event) => setText(event.currentTarget.value)} />
          </label>
          <label class="check">
            <input type="checkbox" checked={only} onChange={(event) => setOnly(event.currentTarget.checked)} />
            Only what fires, waits or fails
          </label>
          <span class="push" role="status">
            {failing ? <State word="error">{plural(failing, 'rule')} of {all.length} fail</State> : <State word="ok">{plural(all.length, 'rule')}, all evaluated</State>}
          </span>
        </div>
      )}
      {data && all.length === 0 && (
        <Empty title="No rules are loaded.">
          <p>
            Name files under <code>rules.files</code> in <code>gatehouse.yaml</code>, or under <code>rule_files</code> of your <code>prometheus.yml</code>.
          </p>
        </Empty>
      )}
      {all.length > 0 && shown.length === 0 && <Empty title="No rule is like this." />}
      {shown.map(({ group, rules }, i) => (
        <GroupSection key={`${group.file} ${group.name}`} group={group} rules={rules} at={i} />
      ))}
    </>
  );
}

// What fires now and how badly: grouped as receivers are told of it, the worst first. An
// alert opens to its graph, its runbook and what happened to it.
import { useState } from 'preact/hooks';
import { Link } from 'wouter-preact';
import { may } from '../api';
import { groups as askGroups, history, rules as askRules, useFresh, type Alert, type Group, type HistoryEntry, type RuleAlert, type RuleGroup } from '../alerts/api';
import { AlertTabs, LabelTags, SilenceForm } from '../alerts/parts';
import { expressionOf, linkOf, matchersOf, matcherText, nameOfAlert, ruleOf, severity, summaryOf } from '../alerts/words';
import { ago, moment, plural } from '../format';
import { QueryGraph } from '../metrics/query_graph';
import { Empty, Failure, Heading, Loading, State } from '../parts/basics';
import { HistoryList } from './alert_history';

const everyMs = 5000;
// A storm is shown by its worst; the rest is counted.
const alertsShownMax = 50;

const worst = (group: Group) => Math.min(...group.alerts.map((each) => severity(each.labels).rank));

function Detail({ alert, rules }: { alert: Alert; rules: RuleGroup[] | null }) {
  const rule = ruleOf(alert, rules);
  const expr = rule?.query ?? expressionOf(alert);
  const told = useFresh<{ entries: HistoryEntry[] }>(() => history({ filter: matchersOf(alert.labels).map(matcherText).join(', '), limit: '20' }), alert.fingerprint, 15_000);
  return (
    <div class="alert-detail">
      {expr && (
        <section aria-label="The expression">
          <p>
            <code>{expr}</code>{' '}
            <Link href={`/graph?${new URLSearchParams({ 'g0.expr': expr, 'g0.tab': 'graph', 'g0.range_input': '3h' })}`}>Explore</Link>
          </p>
          <QueryGraph expr={expr} range_s={3 * 3600} />
        </section>
      )}
      <dl class="facts">
        {Object.entries(alert.annotations).map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{linkOf(value) ? <a href={value}>{value}</a> : value}</dd>
          </div>
        ))}
        <div>
          <dt>Since</dt>
          <dd>{moment(Date.parse(alert.startsAt))}</dd>
        </div>
        <div>
          <dt>Told</dt>
          <dd>{alert.receivers.map((each) => each.name).join(', ')}</dd>
        </div>
      </dl>
      <h3>What happened</h3>
      {told.error && <Failure error={told.error} />}
      {told.data && <HistoryList entries={told.data.entries} without="alertname" />}
    </div>
  );
}

function held(alert: Alert): string | null {
  const { silencedBy, inhibitedBy, mutedBy } = alert.status;
  if (silencedBy.length) return 'silenced';
  if (inhibitedBy.length) return 'inhibited';
  return mutedBy.length ? 'muted' : null;
}

function Row({ alert, group, rules, silence }: { alert: Alert; group: Group; rules: RuleGroup[] | null; silence: (alert: Alert) => void }) {
  const [open, setOpen] = useState(false);
  const { name, word } = severity(alert.labels);
  const quiet = held(alert);
  const id = `alert-${alert.fingerprint}`;
  const runbook = linkOf(alert.annotations['runbook_url'] ?? alert.annotations['runbook']);
  return (
    <li class={`alert ${quiet ? 'held' : ''}`}>
      <div class="alert-line">
        <State word={quiet ? 'unknown' : word}>{quiet ?? name}</State>
        <div class="alert-words">
          <button type="button" class="alert-name" aria-expanded={open} aria-controls={id} onClick={() => setOpen(!open)}>
            {nameOfAlert(alert.labels)}
          </button>
          {alert.vanished && <span class="tag">data gone</span>}
          {alert.flapping && <span class="tag">flapping</span>}
          <p class="reason">{summaryOf(alert.annotations)}</p>
          <LabelTags labels={alert.labels} without={['alertname', 'severity', ...Object.keys(group.labels)]} />
        </div>
        <span class="alert-since num" title={moment(Date.parse(alert.startsAt))}>
          {ago(Date.parse(alert.startsAt))}
        </span>
        <span class="alert-do">
          {runbook && <a href={runbook}>Runbook</a>}
          {may('silences.write') && !alert.status.silencedBy.length && (
            <button type="button" class="button small" onClick={() => silence(alert)}>
              Silence<span class="unseen"> {nameOfAlert(alert.labels)}</span>
            </button>
          )}
        </span>
      </div>
      <div id={id}>{open && <Detail alert={alert} rules={rules} />}</div>
    </li>
  );
}

function Pending({ groups }: { groups: RuleGroup[] }) {
  const waiting = groups.flatMap((group) =>
    group.rules.flatMap((rule) => (rule.alerts ?? []).filter((each) => each.state === 'pending').map((alert: RuleAlert) => ({ alert, rule }))),
  );
  if (!waiting.length) return null;
  return (
    <section aria-labelledby="pending">
      <h2 id="pending">Soon, if it goes on ({waiting.length})</h2>
      <ul class="alerts">
        {waiting.slice(0, alertsShownMax).map(({ alert, rule }) => (
          <li key={JSON.stringify(alert.labels)} class="alert held">
            <div class="alert-line">
              <State word="unknown">pending</State>
              <div class="alert-words">
                <Link href={`/rules#${encodeURIComponent(rule.name)}`}>{rule.name}</Link>
                <p class="reason">{summaryOf(alert.annotations)}</p>
                <LabelTags labels={alert.labels} without={['alertname', 'severity']} />
              </div>
              <span class="alert-since num">{ago(Date.parse(alert.activeAt))}</span>
              <span />
            </div>
          </li>
        ))}
      </ul>
    </section>
  );
}

function Summary({ all }: { all: Alert[] }) {
  const loud = all.filter((each) => !held(each));
  const by = new Map<string, { count: number; rank: number; word: string }>();
  for (const alert of loud) {
    const { name, rank, word } = severity(alert.labels);
    by.set(name, { count: (by.get(name)?.count ?? 0) + 1, rank, word });
  }
  const quiet = all.length - loud.length;
  return (
    <p class="alert-summary" role="status">
      {loud.length === 0 ? (
        <State word="ok">Nothing that anybody is told of.</State>
      ) : (
        [...by.entries()]
          .sort((a, b) => a[1].rank - b[1].rank)
          .map(([name, { count, word }]) => (
            <State key={name} word={word}>
              {count} {name}
            </State>
          ))
      )}
      {quiet > 0 && <span class="quiet">{quiet} held back</span>}
    </p>
  );
}

export function Alerts(_: { params: Record<string, string | undefined> }) {
  const { data, error, load } = useFresh(askGroups, 'groups', everyMs);
  const rules = useFresh(askRules, 'rules', 15_000);
  const [showHeld, setShowHeld] = useState(false);
  const [silencing, setSilencing] = useState<Alert | null>(null);
  // One alert may be told to several receivers: it counts once.
  const all = [...new Map((data ?? []).flatMap((group) => group.alerts.map((each) => [each.fingerprint, each] as const))).values()];
  const shown = (data ?? [])
    .map((group) => ({ ...group, alerts: group.alerts.filter((each) => showHeld || !held(each)).sort((a, b) => severity(a.labels).rank - severity(b.labels).rank) }))
    .filter((group) => group.alerts.length)
    .sort((a, b) => worst(a) - worst(b));
  return (
    <>
      <div class="head">
        <Heading title="Alerts" />
        <AlertTabs at="/alerts" />
      </div>
      {error && <Failure error={error} retry={load} />}
      {!data && !error && <Loading rows={6} />}
      {data && (
        <div class="alert-bar">
          <Summary all={all} />
          <label class="check push">
            <input type="checkbox" checked={showHeld} onChange={(event) => setShowHeld(event.currentTarget.checked)} />
            Show what is silenced, inhibited or muted
          </label>
        </div>
      )}
      {data && shown.length === 0 && (
        <Empty title={all.length ? 'All that fires is held back.' : 'Nothing fires.'}>
          <p>
            {rules.data
              ? `${plural(rules.data.reduce((sum, group) => sum + group.rules.length, 0), 'rule')} in ${plural(rules.data.length, 'group')} are watched.`
              : 'Rules are watched all the time.'}{' '}
            <Link href="/rules">See the rules</Link>
          </p>
        </Empty>
      )}
      {shown.map((group, i) => (
        <section key={group.receiver.name + JSON.stringify(group.labels)} aria-labelledby={`group-${i}`}>
          <h2 id={`group-${i}`}>
            {Object.keys(group.labels).length ? <LabelTags labels={group.labels} /> : 'All alerts'}{' '}
            <small class="quiet">to {group.receiver.name}</small>
          </h2>
          <ul class="alerts">
            {group.alerts.slice(0, alertsShownMax).map((alert) => (
              <Row key={alert.fingerprint} alert={alert} group={group} rules={rules.data} silence={setSilencing} />
            ))}
          </ul>
          {group.alerts.length > alertsShownMax && <p class="quiet">and {plural(group.alerts.length - alertsShownMax, 'alert')} more of this group</p>}
        </section>
      ))}
      {rules.data && <Pending groups={rules.data} />}
      {silencing && <SilenceForm matchers={matchersOf(silencing.labels)} close={() => setSilencing(null)} done={load} />}
    </>
  );
}

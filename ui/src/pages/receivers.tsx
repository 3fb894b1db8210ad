// Who is told: receivers with their last deliveries and a test; and where an alert with
// given labels would go.
import { useState } from 'preact/hooks';
import { asApiError, may, request, type ApiError } from '../api';
import { receivers as askReceivers, useFresh, type Delivery, type Receiver, type RouteStep } from '../alerts/api';
import { AlertTabs } from '../alerts/parts';
import { parseMatchers } from '../alerts/words';
import { ago, duration, plural } from '../format';
import { rangeText } from '../metrics/view';
import { Empty, Failure, Field, Heading, Loading, State } from '../parts/basics';

interface Tested {
  delivered: boolean;
  status: number | null;
  error: string | null;
  duration_ms: number;
}

function Outcome({ delivery }: { delivery: Delivery | null }) {
  if (!delivery) return <span class="quiet">nothing sent yet</span>;
  return (
    <>
      <State word={delivery.delivered ? 'ok' : 'error'}>{delivery.delivered ? 'delivered' : 'failed'}</State>{' '}
      <span class="quiet">
        {ago(delivery.at_ms)} in {duration(delivery.duration_ms)}
        {delivery.attempt > 1 ? `, attempt ${delivery.attempt}` : ''}
      </span>
      {delivery.error && <p class="reason">{delivery.error}</p>}
    </>
  );
}

function Test({ receiver, integration }: { receiver: string; integration: string }) {
  const [tested, setTested] = useState<Tested | null>(null);
  const [error, setError] = useState<ApiError | null>(null);
  const [busy, setBusy] = useState(false);
  const test = async () => {
    setBusy(true);
    setTested(null);
    setError(null);
    try {
      setTested(await request<Tested>('POST', '/alerting/receivers/test', { receiver, integration }));
    } catch (thrown) {
      setError(asApiError(thrown));
    }
    setBusy(false);
  };
  return (
    <>
      <button type="button" class="button small" onClick={() => void test()} disabled={busy}>
        {busy ? 'Sending…' : 'Send a test'}
        <span class="unseen">
          {' '}
          to {receiver} by {integration}
        </span>
      </button>
      <span role="status">
        {tested && (
          <State word={tested.delivered ? 'ok' : 'error'}>
            {tested.delivered ? `delivered in ${duration(tested.duration_ms)}` : (tested.error ?? 'failed')}
          </State>
        )}
      </span>
      {error && <Failure error={error} />}
    </>
  );
}

function ReceiverSection({ receiver }: { receiver: Receiver }) {
  const id = `receiver-${receiver.name}`;
  return (
    <section aria-labelledby={id}>
      <h2 id={id}>
        {receiver.name} {!receiver.active && <small class="tag">no route leads here</small>}
      </h2>
      {receiver.integrations.length === 0 && <p class="quiet">Tells nobody: its alerts are seen in the console alone.</p>}
      <ul class="alerts">
        {receiver.integrations.map((each) => (
          <li key={each.name} class="receiver">
            <strong>{each.name}</strong>
            <div>
              <Outcome delivery={each.last} />
            </div>
            <div class="receiver-test">{may('silences.write') && <Test receiver={receiver.name} integration={each.name} />}</div>
          </li>
        ))}
      </ul>
      {receiver.deliveries.length > 1 && (
        <details>
          <summary>{plural(receiver.deliveries.length, 'delivery', 'deliveries')} before</summary>
          <ul class="alerts">
            {receiver.deliveries.map((each, i) => (
              <li key={`${each.at_ms} ${i}`} class="receiver">
                <span>{each.integration}</span>
                <div>
                  <Outcome delivery={each} />
                </div>
                <span class="quiet">
                  {plural(each.firing, 'alert')} firing, {each.resolved} resolved
                </span>
              </li>
            ))}
          </ul>
        </details>
      )}
    </section>
  );
}

function RouteTester() {
  const [text, setText] = useState('alertname="HighErrorRatio"\nseverity="critical"');
  const [steps, setSteps] = useState<RouteStep[] | null>(null);
  const [error, setError] = useState<ApiError | null>(null);
  const parsed = parseMatchers(text);
  const wrong = typeof parsed === 'string' ? parsed : parsed.some((each) => each.isRegex || !each.isEqual) ? 'gives labels: name="value"' : undefined;
  const test = async () => {
    if (wrong || typeof parsed === 'string') return;
    try {
      const labels = Object.fromEntries(parsed.map((each) => [each.name, each.value]));
      setSteps((await request<{ routes: RouteStep[] }>('POST', '/alerting/route', { labels })).routes);
      setError(null);
    } catch (thrown) {
      setError(asApiError(thrown));
    }
  };
  return (
    <section aria-labelledby="routes">
      <h2 id="routes">Where would it go?</h2>
      <form
        class="route-form"
        onSubmit={(event) => {
          event.preventDefault();
          void test();
        }}
      >
        <Field label="Labels of an alert" error={wrong}>
          {(props) => <textarea {...props} class="matchers" rows={3} value={text} onInput={(event) => setText(event.currentTarget.value)} />}
        </Field>
        <button type="submit" class="button" disabled={Boolean(wrong)}>
          Find the route
        </button>
      </form>
      {error && <Failure error={error} />}
      {steps && (
        <ol class="route" role="status">
          {steps.map((step) => (
            <li key={step.id} class={step.chosen ? 'chosen' : step.matched ? '' : 'missed'} data-depth={Math.min(4, step.depth)}>
              <State word={step.chosen ? 'ok' : 'unknown'}>{step.chosen ? `to ${step.receiver}` : step.matched ? 'passes' : 'does not match'}</State> <code>{step.matchers || 'all'}</code>
              {step.chosen && (
                <p class="reason">
                  grouped by {step.group_by.join(', ') || 'nothing'}, told after {rangeText(step.group_wait_ms / 1000)}, of changes every {rangeText(step.group_interval_ms / 1000)}, again every{' '}
                  {rangeText(step.repeat_interval_ms / 1000)}
                </p>
              )}
            </li>
          ))}
        </ol>
      )}
    </section>
  );
}

export function Receivers(_: { params: Record<string, string | undefined> }) {
  const { data, error, load } = useFresh(askReceivers, 'receivers', 10_000);
  return (
    <>
      <div class="head">
        <Heading title="Receivers" />
        <AlertTabs at="/receivers" />
      </div>
      {error && <Failure error={error} retry={load} />}
      {!data && !error && <Loading rows={5} />}
      {data?.length === 0 && (
        <Empty title="Nobody is told.">
          <p>
            Name an <code>alertmanager.yml</code> under <code>alerts.config</code> in <code>gatehouse.yaml</code>.
          </p>
        </Empty>
      )}
      {data?.map((each) => <ReceiverSection key={each.name} receiver={each} />)}
      {data && <RouteTester />}
    </>
  );
}

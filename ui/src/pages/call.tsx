// One call: its figures, its attempts on a time line, where it belongs, and what
// was said if that is kept.
import { Link } from 'wouter-preact';
import { session, useLive } from '../api';
import type { Attempt, Body, CallDetail } from '../contract';
import { bytes, count, duration, moment, plural, sentence, usd } from '../format';
import { Copy, Failure, Heading, Loading, State, outcomeWord } from '../parts/basics';
import type { ComponentChildren } from 'preact';

function Stat({ name, value, note }: { name: string; value: string; note?: string | undefined }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>
        {value}
        {note && <small>{note}</small>}
      </dd>
    </div>
  );
}

const share = (part: number, whole: number) => `${Math.min(100, (100 * part) / whole)}%`;

function AttemptLine({ a, total }: { a: Attempt; total: number }) {
  const first = a.first_byte_after_ms ?? a.started_after_ms + a.duration_ms;
  const end = a.started_after_ms + a.duration_ms;
  return (
    <li>
      <div class="attempt-words">
        <span class="attempt-name">
          {a.number}. {a.upstream}
          {a.hedge && <small class="tag">hedge</small>}
        </span>
        <State word={a.outcome}>
          {a.outcome === 'ok' ? 'ok' : a.outcome === 'retryable' ? 'tried again' : a.outcome === 'fatal' ? 'failed' : 'stopped'}
          {a.status !== null && <small> {a.status}</small>}
        </State>
        <span class="num">{duration(a.duration_ms)}</span>
      </div>
      <div class="track" aria-hidden="true">
        {a.wait_before_ms > 0 && (
          <i
            class="seg wait"
            style={{
              left: share(a.started_after_ms - a.wait_before_ms, total),
              width: share(a.wait_before_ms, total),
            }}
          />
        )}
        <i
          class={`seg first ${a.outcome}`}
          style={{ left: share(a.started_after_ms, total), width: share(first - a.started_after_ms, total) }}
        />
        {end > first && (
          <i class={`seg rest ${a.outcome}`} style={{ left: share(first, total), width: share(end - first, total) }} />
        )}
      </div>
      <p class="attempt-note">
        {a.wait_before_ms > 0 && `Waited ${duration(a.wait_before_ms)}. `}
        {a.first_byte_after_ms !== null &&
          `First byte after ${duration(a.first_byte_after_ms - a.started_after_ms)}. `}
        {a.error && sentence(a.error)}
      </p>
    </li>
  );
}

function Timeline({ call }: { call: CallDetail }) {
  const total = Math.max(
    call.duration_ms,
    ...call.attempts_detail.map((a) => a.started_after_ms + a.duration_ms),
    0.001,
  );
  return (
    <section>
      <h2>Attempts</h2>
      {call.attempts_detail.length === 0 ? (
        <p class="quiet">None: Gatehouse answered this call itself.</p>
      ) : (
        <>
          <div class="scale num" aria-hidden="true">
            <span>0</span>
            <span>{duration(total / 2)}</span>
            <span>{duration(total)}</span>
          </div>
          <ol class="timeline">
            {call.attempts_detail.map((a) => (
              <AttemptLine key={a.number} a={a} total={total} />
            ))}
          </ol>
          <p class="legend quiet" aria-hidden="true">
            <span>
              <i class="seg wait" /> waiting to try
            </span>
            <span>
              <i class="seg first ok" /> until the first byte
            </span>
            <span>
              <i class="seg rest ok" /> answering
            </span>
          </p>
        </>
      )}
    </section>
  );
}

function pretty(body: Body): string {
  if (!body.truncated && body.content_type.includes('json')) {
    try {
      return JSON.stringify(JSON.parse(body.text), null, 2);
    } catch {
      // Not the JSON it says to be: shown as it came.
    }
  }
  return body.text;
}

function BodyText({ name, body }: { name: string; body: Body | null }) {
  return (
    <section class="body-text">
      <div class="head">
        <h2>{name}</h2>
        {body && (
          <>
            <span class="quiet">
              {body.content_type}, {bytes(body.bytes)}
              {body.truncated && ', cut'}
            </span>
            <Copy text={body.text} label={`the ${name.toLowerCase()}`} />
          </>
        )}
      </div>
      {body ? (
        <pre tabIndex={0} role="region" aria-label={name}>
          {pretty(body)}
        </pre>
      ) : (
        <p class="quiet">Not kept.</p>
      )}
    </section>
  );
}

function Bodies({ call }: { call: CallDetail }) {
  if (call.bodies) {
    return (
      <div class="pair">
        <BodyText name="Prompt" body={call.bodies.request} />
        <BodyText name="Answer" body={call.bodies.response} />
      </div>
    );
  }
  return (
    <section>
      <h2>Prompt and answer</h2>
      <p class="quiet">
        {call.bodies_withheld
          ? 'Kept, but your role may not read them.'
          : session.value?.bodies_kept
            ? 'Not kept for this call.'
            : 'Not kept: keeping prompts and answers is switched off in the configuration.'}
      </p>
    </section>
  );
}

function Fact({ name, children }: { name: string; children: ComponentChildren }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}

function Facts({ call }: { call: CallDetail }) {
  return (
    <section>
      <h2>Belongs to</h2>
      <dl class="facts">
        <Fact name="Request">
          <code>{call.request_id}</code> <Copy text={call.request_id} label="the request id" />
        </Fact>
        {call.trace_id && (
          <Fact name="Trace">
            <Link href={`/calls?trace=${call.trace_id}`}>
              <code>{call.trace_id}</code>
            </Link>
          </Fact>
        )}
        <Fact name="Key">
          {call.key_id ? <Link href={`/keys/${encodeURIComponent(call.key_id)}`}>{call.key_name ?? call.key_id}</Link> : '–'}
        </Fact>
        {call.session_id && (
          <Fact name="Session">
            <Link href={`/calls?session=${encodeURIComponent(call.session_id)}`}>{call.session_id}</Link>
          </Fact>
        )}
        {call.user_id && <Fact name="User">{call.user_id}</Fact>}
        <Fact name="Route">
          <code>{call.route}</code>
        </Fact>
        {call.model_version && <Fact name="Model version">{call.model_version}</Fact>}
        {call.finish_reason && <Fact name="Finished by">{call.finish_reason}</Fact>}
        {call.confidence !== null && <Fact name="Confidence">{call.confidence.toFixed(3)}</Fact>}
        <Fact name="Bytes">
          {bytes(call.request_bytes)} in, {bytes(call.response_bytes)} out
        </Fact>
        {Object.entries(call.metadata).map(([name, value]) => (
          <Fact key={name} name={name}>
            {value}
          </Fact>
        ))}
      </dl>
    </section>
  );
}

function Figures({ call }: { call: CallDetail }) {
  const t = call.tokens;
  return (
    <dl class="stats">
      <Stat
        name="Total"
        value={duration(call.duration_ms)}
        note={call.added_ms === null ? undefined : `${duration(call.added_ms)} of it here`}
      />
      <Stat
        name="First token"
        value={duration(call.ttft_ms)}
        note={call.per_token_ms === null || call.ttft_ms === null ? undefined : `then ${duration(call.per_token_ms)} each`}
      />
      <Stat name="Tokens in" value={count(t.input)} note={t.cached_input ? `${count(t.cached_input)} cached` : undefined} />
      <Stat
        name="Tokens out"
        value={count(t.output)}
        note={t.reasoning ? `${count(t.reasoning)} reasoning` : call.usage_estimated ? 'estimated' : undefined}
      />
      <Stat name="Cost" value={usd(call.cost_nanousd)} note={call.cost_nanousd === null ? 'no price known' : undefined} />
    </dl>
  );
}

export function CallPage({ params }: { params: Record<string, string | undefined> }) {
  const id = params['id'] ?? '';
  const { data, error, load } = useLive<CallDetail>(`/calls/${encodeURIComponent(id)}`);
  const call = data.value;
  return (
    <>
      <p class="crumb">
        <Link href="/calls">Calls</Link>
      </p>
      {!call && (
        <>
          <Heading title="Call">{id}</Heading>
          {error.value ? <Failure error={error.value} retry={() => void load()} /> : <Loading rows={8} />}
        </>
      )}
      {call && (
        <>
          <div class="head">
            <Heading title={`Call to ${call.model ?? call.route}`}>{call.model ?? call.route}</Heading>
            <State word={call.outcome}>
              {outcomeWord[call.outcome]} <small>{call.status}</small>
            </State>
            <span class="quiet">
              {moment(call.started_at_ms)}
              {call.upstream && ` · ${call.upstream}`} · {plural(call.attempts, 'attempt')}
              {call.stream && ' · streamed'}
            </span>
          </div>
          {call.error && (
            <div class="callout bad">
              <code>{call.error.code}</code> {call.error.message}
            </div>
          )}
          <Figures call={call} />
          <div class="pair wide-left">
            <Timeline call={call} />
            <Facts call={call} />
          </div>
          <Bodies call={call} />
        </>
      )}
    </>
  );
}

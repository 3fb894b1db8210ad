// The steps to the first guarded call, shown until they are done.
import { Link } from 'wouter-preact';
import { may } from '../api';
import type { Checklist as Steps, Session } from '../contract';
import { Copy, Icon } from '../parts/basics';

export const complete = (c: Steps) =>
  c.upstream_configured && c.model_configured && c.key_created && c.first_call;

export const firstCall = (who: Session, secret: string) =>
  `curl ${who.base_url}/v1/chat/completions \\\n` +
  `  -H "authorization: Bearer ${secret}" \\\n` +
  `  -H "content-type: application/json" \\\n` +
  `  -d '{"model": "MODEL", "messages": [{"role": "user", "content": "Hello"}]}'`;

export function Checklist({ list, who }: { list: Steps; who: Session }) {
  const steps = [
    {
      done: list.upstream_configured,
      name: 'Name an upstream',
      how: (
        <>
          Add where your models answer under <code>upstreams</code> in <code>gatehouse.yaml</code>. The file is read
          again when it is saved.
        </>
      ),
    },
    {
      done: list.model_configured,
      name: 'Give it a model',
      how: (
        <>
          List the names that callers use under <code>models</code>, each with its upstreams.
        </>
      ),
    },
    {
      done: list.key_created,
      name: 'Create a key',
      how: may('keys.write') ? (
        <>
          Every caller has a key of its own. <Link href="/keys?new">Create one</Link>.
        </>
      ) : (
        <>Ask an operator for one.</>
      ),
    },
    {
      done: list.first_call,
      name: 'Make the first call',
      how: (
        <>
          Point a client at <code>{who.base_url}/v1</code>, or paste this with your key and model:
          <div class="snippet">
            <pre tabIndex={0} role="region" aria-label="Command for the first call">
              {firstCall(who, 'KEY')}
            </pre>
            <Copy text={firstCall(who, 'KEY')} label="the command" />
          </div>
        </>
      ),
    },
  ];
  const next = steps.findIndex((s) => !s.done);
  return (
    <section class="steps" aria-labelledby="steps-title">
      <h2 id="steps-title">To the first call</h2>
      <ol>
        {steps.map((step, i) => (
          <li key={step.name} class={step.done ? 'done' : i === next ? 'next' : ''} aria-current={i === next ? 'step' : undefined}>
            <span class="step-sign">
              {step.done ? <Icon path="M3 8.5 6.5 12 13 4.5" /> : <span aria-hidden="true">{i + 1}</span>}
            </span>
            <div>
              <h3>
                {step.name}
                {step.done && <span class="unseen"> (done)</span>}
              </h3>
              {!step.done && <div class="step-how">{step.how}</div>}
            </div>
          </li>
        ))}
      </ol>
      {!list.password_set && (
        <p class="quiet">
          The one-time link works once. <Link href="/account">Set a password</Link> to be able to return.
        </p>
      )}
    </section>
  );
}

// One key: its limits beside what was used of them, and the ways to change it.
import { useSignal } from '@preact/signals';
import { Link } from 'wouter-preact';
import { may, request, useLive } from '../api';
import type { Key, KeyWithSecret } from '../contract';
import { ago, count, date, dollarsOf, moment, percent, until, usd } from '../format';
import { Bar, Failure, Heading, Loading, State } from '../parts/basics';
import { KeyForm, refreshKeys, Revoke, Rotate, SecretOnce } from './key_form';

type Doing = 'change' | 'rotate' | 'revoke' | null;

function Money({ name, spent, budget }: { name: string; spent: string; budget: string | null }) {
  const ratio = budget ? dollarsOf(spent) / dollarsOf(budget) : 0;
  return (
    <div>
      <dt>{name}</dt>
      <dd>
        {usd(spent)}
        {budget && <Bar ratio={ratio} label={`${usd(spent)} of ${usd(budget)}`} />}
        <small>{budget ? `${percent(ratio)} of ${usd(budget)}` : 'no limit'}</small>
      </dd>
    </div>
  );
}

function Limits({ k }: { k: Key }) {
  const limit = (n: number | null) => (n === null ? <span class="quiet">no limit</span> : count(n));
  return (
    <section>
      <h2>Limits</h2>
      <dl class="facts">
        <div>
          <dt>Requests a minute</dt>
          <dd class="tab">{limit(k.limits.requests_per_minute)}</dd>
        </div>
        <div>
          <dt>Tokens a minute</dt>
          <dd class="tab">{limit(k.limits.tokens_per_minute)}</dd>
        </div>
        <div>
          <dt>Calls at once</dt>
          <dd class="tab">{limit(k.limits.concurrent)}</dd>
        </div>
        <div>
          <dt>Models</dt>
          <dd>{k.models.join() === '*' ? 'all' : k.models.join(', ')}</dd>
        </div>
        <div>
          <dt>From</dt>
          <dd>{k.allow_from.length ? k.allow_from.join(', ') : <span class="quiet">anywhere</span>}</dd>
        </div>
      </dl>
    </section>
  );
}

function About({ k }: { k: Key }) {
  return (
    <section>
      <h2>About</h2>
      <dl class="facts">
        <div>
          <dt>Id</dt>
          <dd>
            <code>{k.id}</code>
          </dd>
        </div>
        <div>
          <dt>Role</dt>
          <dd>{k.role}</dd>
        </div>
        <div>
          <dt>Created</dt>
          <dd>
            {date(k.created_at_ms)}
            {k.created_by && ` by ${k.created_by}`}
          </dd>
        </div>
        <div>
          <dt>Last used</dt>
          <dd>{ago(k.last_used_at_ms)}</dd>
        </div>
        <div>
          <dt>Expires</dt>
          <dd>{k.expires_at_ms === null ? 'never' : moment(k.expires_at_ms)}</dd>
        </div>
        {k.revoked_at_ms !== null && (
          <div>
            <dt>Revoked</dt>
            <dd>{moment(k.revoked_at_ms)}</dd>
          </div>
        )}
        {k.previous_secret_until_at_ms !== null && (
          <div>
            <dt>Old secret ends</dt>
            <dd>{until(k.previous_secret_until_at_ms)}</dd>
          </div>
        )}
      </dl>
    </section>
  );
}

function Body({ k, act }: { k: Key; act: (what: Doing) => void }) {
  const open = k.state !== 'revoked' && may('keys.write');
  return (
    <>
      <div class="head">
        <Heading title={k.name} />
        <State word={k.state} />
        <Link class="quiet" href={`/calls?key=${encodeURIComponent(k.id)}`}>
          Its calls
        </Link>
        {open && (
          <div class="push group">
            <button type="button" class="button" onClick={() => act('change')}>
              Change
            </button>
            <button type="button" class="button" onClick={() => act('rotate')}>
              Rotate
            </button>
            <button type="button" class="button danger" onClick={() => act('revoke')}>
              Revoke
            </button>
          </div>
        )}
      </div>
      <dl class="stats four">
        <Money name="Spend today" spent={k.usage.spend_today_nanousd} budget={k.limits.daily_nanousd} />
        <Money name="Spend this month" spent={k.usage.spend_month_nanousd} budget={k.limits.monthly_nanousd} />
        <div>
          <dt>Calls today</dt>
          <dd>{count(k.usage.requests)}</dd>
        </div>
        <div>
          <dt>Tokens today</dt>
          <dd>{count(k.usage.tokens)}</dd>
        </div>
      </dl>
      <div class="pair">
        <Limits k={k} />
        <About k={k} />
      </div>
    </>
  );
}

export function KeyPage({ params }: { params: Record<string, string | undefined> }) {
  const id = params['id'] ?? '';
  const path = `/keys/${encodeURIComponent(id)}`;
  const { data, error, load } = useLive<Key>(path, 5000);
  const doing = useSignal<Doing>(null);
  const made = useSignal<KeyWithSecret | null>(null);
  const k = data.value;
  const close = () => (doing.value = null);
  return (
    <>
      <p class="crumb">
        <Link href="/keys">Keys</Link>
      </p>
      {!k && (
        <>
          <Heading title="Key">{id}</Heading>
          {error.value ? <Failure error={error.value} retry={() => void load()} /> : <Loading rows={6} />}
        </>
      )}
      {k && <Body k={k} act={(what) => (doing.value = what)} />}
      {k && doing.value === 'change' && (
        <KeyForm
          title={`Change ${k.name}`}
          act="Save"
          known={k}
          close={close}
          save={async (body) => {
            await request('PATCH', path, body);
            await refreshKeys(id);
            close();
          }}
        />
      )}
      {k && doing.value === 'rotate' && (
        <Rotate
          known={k}
          close={close}
          done={(reply) => {
            close();
            made.value = reply;
          }}
        />
      )}
      {k && doing.value === 'revoke' && <Revoke known={k} close={close} />}
      {made.value && (
        <SecretOnce made={made.value} close={() => (made.value = null)}>
          {made.value.key.previous_secret_until_at_ms !== null && (
            <p class="quiet">The old secret works until {moment(made.value.key.previous_secret_until_at_ms)}.</p>
          )}
        </SecretOnce>
      )}
    </>
  );
}

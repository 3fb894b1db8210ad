// The console's entry: asks who is signed in, then shows the frame and the page
// that the address names. The home page is in this first file; the others are
// chunks that are fetched when they are opened.
import { render, type ComponentType } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { Redirect, Route, Switch, useLocation } from 'wouter-preact';
import { asApiError, live, refreshSession, session, type ApiError } from './api';
import { Frame, Shell } from './frame';
import { Empty, Failure, Heading, Loading } from './parts/basics';
import { Home, overviewPath } from './pages/home';
import { SignIn } from './pages/sign_in';

type Params = Record<string, string | undefined>;
type Page = ComponentType<{ params: Params }>;

// The session is asked for again this often, for the configuration banner.
const sessionEveryMs = 30_000;

function lazy(load: () => Promise<Page>): Page {
  let loaded: Page | null = null;
  return function Lazy(props) {
    const [page, setPage] = useState<{ show: Page } | null>(loaded && { show: loaded });
    const [error, setError] = useState<ApiError | null>(null);
    useEffect(() => {
      if (loaded) return;
      load()
        .then((show) => {
          loaded = show;
          setPage({ show });
        })
        .catch((thrown: unknown) => setError(asApiError(thrown)));
    }, []);
    if (error) return <Failure error={error} retry={() => location.reload()} />;
    return page ? <page.show {...props} /> : <Loading />;
  };
}

const Calls = lazy(async () => (await import('./pages/calls')).Calls);
const CallPage = lazy(async () => (await import('./pages/call')).CallPage);
const Keys = lazy(async () => (await import('./pages/keys')).Keys);
const KeyPage = lazy(async () => (await import('./pages/key')).KeyPage);
const Upstreams = lazy(async () => (await import('./pages/upstreams')).Upstreams);
const Explore = lazy(async () => (await import('./pages/explore')).Explore);
const Targets = lazy(async () => (await import('./pages/targets')).Targets);
const Store = lazy(async () => (await import('./pages/store')).Store);
const Alerts = lazy(async () => (await import('./pages/alerts')).Alerts);
const AlertHistory = lazy(async () => (await import('./pages/alert_history')).AlertHistory);
const Silences = lazy(async () => (await import('./pages/silences')).Silences);
const Rules = lazy(async () => (await import('./pages/rules')).Rules);
const Receivers = lazy(async () => (await import('./pages/receivers')).Receivers);
const Audit = lazy(async () => (await import('./pages/audit')).Audit);
const Account = lazy(async () => (await import('./pages/account')).Account);

function NotFound() {
  return (
    <>
      <Heading title="No such page" />
      <Empty title="This address leads nowhere.">
        <p>
          <a href="/">Back to the overview</a>
        </p>
      </Empty>
    </>
  );
}

function Pages() {
  return (
    <Switch>
      <Route path="/">{() => <Home />}</Route>
      <Route path="/login">
        <Redirect to="/" replace />
      </Route>
      <Route path="/calls">{(params: Params) => <Calls params={params} />}</Route>
      <Route path="/calls/:id">
        {(params: Params) => <CallPage key={params['id']} params={params} />}
      </Route>
      <Route path="/keys">{(params: Params) => <Keys params={params} />}</Route>
      <Route path="/keys/:id">
        {(params: Params) => <KeyPage key={params['id']} params={params} />}
      </Route>
      <Route path="/upstreams">{(params: Params) => <Upstreams params={params} />}</Route>
      <Route path="/graph">{(params: Params) => <Explore params={params} />}</Route>
      <Route path="/query">{(params: Params) => <Explore params={params} />}</Route>
      <Route path="/targets">{(params: Params) => <Targets params={params} />}</Route>
      <Route path="/store">{(params: Params) => <Store params={params} />}</Route>
      <Route path="/alerts">{(params: Params) => <Alerts params={params} />}</Route>
      <Route path="/alerts/history">{(params: Params) => <AlertHistory params={params} />}</Route>
      <Route path="/silences">{(params: Params) => <Silences params={params} />}</Route>
      <Route path="/rules">{(params: Params) => <Rules params={params} />}</Route>
      <Route path="/receivers">{(params: Params) => <Receivers params={params} />}</Route>
      <Route path="/audit">{(params: Params) => <Audit params={params} />}</Route>
      <Route path="/account">{(params: Params) => <Account params={params} />}</Route>
      <Route>
        <NotFound />
      </Route>
    </Switch>
  );
}

function App() {
  const [path] = useLocation();
  const who = session.value;
  useEffect(() => {
    const timer = setInterval(() => {
      if (!document.hidden && session.value) void refreshSession(true);
    }, sessionEveryMs);
    return () => clearInterval(timer);
  }, []);
  if (who === undefined) return <Shell />;
  if (who === null) return <SignIn />;
  return (
    <Frame path={path} who={who}>
      <Pages />
    </Frame>
  );
}

// The home page's figures are asked for beside the session, not after it.
if (location.pathname === '/') void live(overviewPath(location.search)).load();
// A one-time link is used up by its page; asking who is signed in comes after that.
if (location.pathname === '/login' && new URLSearchParams(location.search).has('token')) {
  session.value = null;
} else {
  const ask = () =>
    refreshSession(false).then(() => {
      if (session.value === undefined) setTimeout(ask, 2000);
    });
  void ask();
}

const host = document.getElementById('app');
if (host) {
  // What is drawn now takes the place of the page's static frame in the same turn:
  // left there, a page of another shape would stand below it.
  host.replaceChildren();
  render(<App />, host);
}

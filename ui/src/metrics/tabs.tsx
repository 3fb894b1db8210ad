// The pages about metrics, one beside the other.
import { Link } from 'wouter-preact';

const tabs = [
  { path: '/graph', name: 'Explore' },
  { path: '/targets', name: 'Targets' },
  { path: '/store', name: 'Store' },
];

export function MetricTabs({ at }: { at: string }) {
  return (
    <nav class="tabs" aria-label="Metrics">
      {tabs.map((tab) => (
        <Link key={tab.path} href={tab.path} aria-current={tab.path === at ? 'page' : undefined}>
          {tab.name}
        </Link>
      ))}
    </nav>
  );
}

// Starts the programs through ../serve_for_node.py, so that there is one way to start them.
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

export async function startGate() {
  const script = fileURLToPath(new URL('../serve_for_node.py', import.meta.url));
  const child = spawn('python3', [script], { stdio: ['pipe', 'pipe', 'inherit'] });
  for await (const line of createInterface({ input: child.stdout })) {
    const gate = JSON.parse(line);
    gate.stop = () => new Promise((done) => { child.once('exit', done); child.stdin.end(); });
    return gate;
  }
  throw new Error('the gate did not start');
}

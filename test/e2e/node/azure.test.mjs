// Microsoft's own library takes tokens from the token endpoints that test_entra.py
// gives Gatehouse: what the mock says there is what Entra says.
import './globals.mjs';
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { ClientSecretCredential, ManagedIdentityCredential } from '@azure/identity';
import { startGate } from './gate.mjs';

const SCOPE = 'https://cognitiveservices.azure.com/.default';
let gate;
before(async () => {
  gate = await startGate();
  process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0';  // a certificate made for this run
});
after(() => gate.stop());

test('a client secret', async () => {
  const credential = new ClientSecretCredential('11111111-1111-1111-1111-111111111111', 'client', 'secret',
    { authorityHost: gate.authority, disableInstanceDiscovery: true });
  const token = await credential.getToken(SCOPE);
  assert.ok(token.token);
  assert.ok(token.expiresOnTimestamp > Date.now());
});

test('the managed identity of an App Service', async () => {
  process.env.IDENTITY_ENDPOINT = `${gate.mock}/msi/token`;
  process.env.IDENTITY_HEADER = 'header';
  const token = await new ManagedIdentityCredential().getToken(SCOPE);
  assert.ok(token.token);
});

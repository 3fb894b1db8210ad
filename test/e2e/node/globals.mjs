// What the clients look for among the globals, and Node 18 (Debian 12's) keeps in modules.
// Imported before them.
import buffer from 'node:buffer';
import { webcrypto } from 'node:crypto';

globalThis.File ??= buffer.File;
globalThis.crypto ??= webcrypto;

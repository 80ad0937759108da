// Preloaded into a daemon (node --import): kills it with SIGKILL just before the n-th thing that it asks of the outside
// world after its configuration: a request, a file, a process. With KILL_AT=0 it only counts, and says how many there were.
import { createHook } from 'node:async_hooks';
import { writeFileSync } from 'node:fs';

const asks = new Set(['HTTPCLIENTREQUEST', 'FSREQPROMISE', 'FILEHANDLE', 'PROCESSWRAP']);
const { KILL_AT, KILL_COUNT_FILE } = process.env;

let counting = false;
let count = 0;
createHook({
  init: (_id, type) => {
    if (!counting || !asks.has(type)) return;
    count++;
    if (String(count) === KILL_AT) process.kill(process.pid, 'SIGKILL');
  },
}).enable();

const write = process.stdout.write.bind(process.stdout);
process.stdout.write = (text: string, ...more: []) => {
  if (text.includes('"step":"config"')) counting = true;
  if (text.includes('"phase":"ready"')) {
    counting = false;
    if (KILL_COUNT_FILE !== undefined) writeFileSync(KILL_COUNT_FILE, String(count));
  }
  return write(text, ...more);
};

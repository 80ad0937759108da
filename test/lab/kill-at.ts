// Preloaded into a daemon (node --import): kills it with SIGKILL just before the n-th thing that it asks of the outside
// world after its configuration, or with KILL_FROM=start from there on: a request, a file, a process. With KILL_AT=0 it
// only counts, and says how many there were.
import { createHook } from 'node:async_hooks';
import { writeFileSync } from 'node:fs';

const asks = new Set(['HTTPCLIENTREQUEST', 'FSREQPROMISE', 'FILEHANDLE', 'PROCESSWRAP']);
const { KILL_AT, KILL_COUNT_FILE, KILL_FROM } = process.env;

let counting = KILL_FROM === 'start';
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

if (KILL_FROM === 'start' && KILL_COUNT_FILE !== undefined) {
  process.on('exit', () => writeFileSync(KILL_COUNT_FILE, String(count)));
}

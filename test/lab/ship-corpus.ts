// The log files of `npm run bench:ship`: three kinds of line, each line once in its corpus, the same bytes every time.
import { mkdir, open } from 'node:fs/promises';
import { dirname, join } from 'node:path';

export const corpusNames = ['app', 'nginx', 'json'] as const;
export type CorpusName = (typeof corpusNames)[number];

export type Corpus = {
  readonly folder: string;
  readonly paths: readonly string[];
  readonly bytes: number;
  readonly lines: number;
};

const chunkBytes = 1 << 20;
const appLineBytes = 205;
const words = ['reserve', 'charge', 'ship', 'notify', 'refund', 'audit', 'index', 'expire'];
const levels = ['INFO ', 'INFO ', 'INFO ', 'DEBUG', 'WARN '];

/** Shared evenly among `files` files of one folder. */
export async function writeCorpus(
  name: CorpusName,
  { folder, files, bytes }: { folder: string; files: number; bytes: number },
): Promise<Corpus> {
  await mkdir(folder, { recursive: true });
  const lineOf = lineMakers[name];
  const next = createNumbers(files * 7919 + name.length);
  const paths: string[] = [];
  let [total, serial] = [0, 0];
  for (let i = 0; i < files; i++) {
    const path = join(folder, `f${String(i).padStart(3, '0')}.log`);
    paths.push(path);
    await using file = await open(path, 'w');
    for (const end = (bytes / files) * (i + 1); total < end;) {
      let chunk = '';
      while (chunk.length < chunkBytes && total + chunk.length < end) {
        chunk += `${lineOf(serial++, next)}\n`;
      }
      await file.write(chunk, undefined, 'latin1');
      total += chunk.length;
    }
  }
  return { folder, paths, bytes: total, lines: serial };
}

/** `files` files of one line in `folders` folders, for what costs even when nothing happens. */
export async function writeIdleFiles(
  folder: string,
  { files, folders }: { files: number; folders: number },
): Promise<Corpus> {
  const next = createNumbers(files);
  const paths: string[] = [];
  let bytes = 0;
  for (let i = 0; i < files; i++) {
    const path = join(folder, `d${i % folders}`, `f${i}.log`);
    if (i < folders) await mkdir(dirname(path), { recursive: true });
    await using file = await open(path, 'w');
    bytes += (await file.write(`${lineMakers.app(i, next)}\n`)).bytesWritten;
    paths.push(path);
  }
  return { folder, paths, bytes, lines: files };
}

type Numbers = (below: number) => number;
const lineMakers: Readonly<Record<CorpusName, (serial: number, next: Numbers) => string>> = {
  app: (serial, next) => {
    const head = `2026-03-01T${timeOf(serial)}Z ${levels[next(5)]} [worker-${next(16)}] orders.OrderService - ${words[next(8)]} order ${serial} of customer ${next(90_000)} took ${next(400)} ms, items=${next(9)} total=${next(100_000) / 100} EUR trace=`;
    let text = head;
    while (text.length < appLineBytes) text += hexOf(next);
    return text.slice(0, appLineBytes);
  },
  nginx: (serial, next) =>
    `10.${next(256)}.${next(256)}.${next(256)} - - [01/Mar/2026:${timeOf(serial).slice(0, 8)} +0000] "GET /api/v2/${words[next(8)]}/${serial}?page=${next(50)} HTTP/1.1" ${next(20) === 0 ? 404 : 200} ${next(90_000)} "https://shop.example.com/${words[next(8)]}/${next(5_000)}" "Mozilla/5.0 (X11; Linux x86_64; rv:1${next(40)}.0) Gecko/20100101 Firefox/1${next(40)}.0"`,
  json: (serial, next) =>
    `{"time":"2026-03-01T${timeOf(serial)}Z","level":"${levels[next(5)]!.trim().toLowerCase()}","service":"orders","host":"ip-10-0-${next(256)}-${next(256)}","event":"${words[next(8)]}","order":"${serial}","customer":"c-${next(90_000)}","trace":"${hexOf(next)}${hexOf(next)}","region":"eu-central-1","text":"took ${next(400)} ms for ${next(9)} items"}`,
};

function timeOf(serial: number): string {
  return new Date(serial * 7).toISOString().slice(11, 23);
}

function hexOf(next: Numbers): string {
  return (next(0x10000000) + 0x10000000).toString(16);
}

/** xorshift32. */
function createNumbers(seed: number): Numbers {
  let state = seed >>> 0 || 1;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

// Who writes in `npm run soak`: a hundred quiet files, rotation by rename (then compressed and deleted), by copying and
// truncating, bursts, stack traces, times of their own, refused lines, and files that are born and die.
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { createDesk, type Desk, type DeskInput, type Pen } from './soak-desk.ts';
import { timestampFormat } from './soak-line.ts';

export type Writers = Disposable &
  Pick<Desk, 'settle' | 'written' | 'lines' | 'bytes' | 'deeds'> & {
    /** Writes what is due `elapsedMs` after the last time. */
    step(elapsedMs: number): void;
    /** Rotates by renaming now, and at once again: the daemon may be down. */
    rotate(): void;
    /** Nobody kills the daemon from here on: files may be deleted that it has not read yet. */
    careless: boolean;
  };

type Writer = Disposable & {
  step(elapsedMs: number, careless: boolean): void;
  rotate?(): void;
};

const folders = ['steady', 'rename', 'copy', 'burst', 'trace', 'births', 'dated', 'poison'];

/** CloudWatch refuses what is older than 14 days: each hundredth line of these. */
const oldMs = 20 * 86_400_000;
const timeOf = (seq: number): number => Date.now() - (seq % 100 === 99 ? oldMs : 0);
const burstBytes = { least: 2_000_000, most: 12_000_000 };
/** In a step, so that the others have their turn. */
const burstStepBytes = 4_000_000;
const truncateWaitMs = 20_000;
/** Each is open until it is sent: in an outage applications that make files stop to. */
const maxLives = 1_500;
const keptGenerations = 6;

/** At `scale` 1 about 2,000 lines a second. */
export function createWriters({ folder, random, scale }: DeskInput): Writers {
  for (const name of folders) mkdirSync(join(folder, name), { recursive: true });
  const desk = createDesk({ folder, random, scale });
  const some = (count: number, make: (n: number) => Writer): readonly Writer[] =>
    Array.from({ length: count }, (_, n) => make(n));
  const pen = (folderName: string, name: string, timeOfLine?: (seq: number) => number): Pen =>
    desk.pen(name, join(folder, folderName, `${name}.log`), timeOfLine);
  const writers: readonly Writer[] = [
    ...some(100, (n) => steady(desk, pen('steady', `plain-steady${n}`), 2)),
    ...some(2, (n) => steady(desk, pen('trace', `trace-${n}`), 20)),
    ...some(2, (n) => steady(desk, pen('dated', `dated-${n}`, timeOf), 20)),
    steady(desk, pen('poison', 'poison-0'), 4),
    ...some(8, (n) => renamed(desk, n)),
    ...some(4, (n) => truncated(desk, n, scale)),
    ...some(2, (n) => bursting(desk, n, scale)),
    births(desk),
  ];
  let careless = false;
  return {
    settle: (moved) => desk.settle(moved),
    written: desk.written,
    deeds: desk.deeds,
    get lines() {
      return desk.lines;
    },
    get bytes() {
      return desk.bytes;
    },
    step: (elapsedMs) => {
      for (const writer of writers) writer.step(elapsedMs, careless);
    },
    rotate: () => {
      for (const writer of writers) {
        writer.rotate?.();
        writer.rotate?.();
      }
    },
    get careless() {
      return careless;
    },
    set careless(value) {
      careless = value;
    },
    [Symbol.dispose]: () => {
      for (const writer of writers) writer[Symbol.dispose]();
    },
  };
}

/** `collect_list` of the CloudWatch agent. */
export function collectList(folder: string): readonly unknown[] {
  const more: Readonly<Record<string, object>> = {
    dated: { timestamp_format: timestampFormat, timezone: 'UTC' },
    // The ordinary path.
    poison: { filters: [{ type: 'exclude', expression: 'NEVER-WRITTEN' }] },
  };
  return folders.map((name) => ({
    file_path: join(folder, name, '*.log'),
    log_group_name: `soak-${name}`,
    log_stream_name: 's',
    publish_multi_logs: true,
    ...more[name],
  }));
}

function steady(desk: Desk, pen: Pen, perSecond: number): Writer {
  const due = desk.rate(perSecond);
  return {
    step: (elapsedMs) => {
      const count = due(elapsedMs);
      if (count > 0) pen.write(count);
    },
    [Symbol.dispose]: () => pen.lift(),
  };
}

/** As logrotate does with `delaycompress`, but that it compresses nothing that was not sent: that is lost to everybody. */
function renamed(desk: Desk, n: number): Writer {
  const path = desk.path('rename', `${n}.log`);
  const pen = desk.pen(`plain-rename${n}`, path);
  const quiet = steady(desk, pen, 60);
  const isTime = desk.timer(8_000, 40_000);
  /** Of each generation, the youngest first: the line behind its last. */
  const generations: number[] = [];
  const rotate = (): void => {
    // Before it ever saw the file there is nothing to find again.
    if (!existsSync(path) || pen.settled === 0) return;
    // As programs that were stopped leave it.
    if (desk.chance(0.3)) pen.write(1, true);
    for (let k = generations.length; k > 0; k--) {
      for (const end of ['', '.gz']) {
        const old = `${path}.${k}${end}`;
        if (existsSync(old)) renameSync(old, `${path}.${k + 1}${end}`);
      }
    }
    renameSync(path, `${path}.1`);
    pen.lift();
    generations.unshift(pen.written);
    pen.write(1);
    desk.did('renamed');
    for (let k = 2; k <= generations.length; k++) {
      const old = `${path}.${k}`;
      if (pen.settled < generations[k - 1]! || !existsSync(old)) continue;
      writeFileSync(`${old}.gz`, gzipSync(readFileSync(old), { level: 1 }));
      rmSync(old);
      desk.did('compressed');
    }
    for (let k = generations.length; k > keptGenerations; k--) {
      if (!existsSync(`${path}.${k}.gz`)) return;
      rmSync(`${path}.${k}.gz`);
      generations.pop();
      desk.did('deleted');
    }
  };
  return {
    ...quiet,
    step: (elapsedMs, careless) => {
      quiet.step(elapsedMs, careless);
      if (isTime(elapsedMs)) rotate();
    },
    rotate,
  };
}

/** What is truncated before it was read is lost to everybody: waits for the delivery, and writes nothing meanwhile. */
function truncated(desk: Desk, n: number, scale: number): Writer {
  const path = desk.path('copy', `${n}.log`);
  const pen = desk.pen(`plain-copy${n}`, path);
  const quiet = steady(desk, pen, 40);
  const isTime = desk.timer(10_000, 30_000);
  let waitingMs: number | undefined;
  return {
    ...quiet,
    step: (elapsedMs, careless) => {
      if (isTime(elapsedMs)) waitingMs ??= 0;
      if (waitingMs === undefined) {
        quiet.step(elapsedMs, careless);
        return;
      }
      waitingMs += elapsedMs;
      if (pen.settled === pen.written && existsSync(path)) {
        copyFileSync(path, `${path}.1`);
        truncateSync(path);
        desk.did('truncated');
        // Longer than it was before anybody looks.
        if (desk.chance(0.5)) pen.write(Math.ceil(600 * scale));
        waitingMs = undefined;
      } else if (waitingMs > truncateWaitMs) waitingMs = undefined;
    },
  };
}

function bursting(desk: Desk, n: number, scale: number): Writer {
  const pen = desk.pen(`plain-burst${n}`, desk.path('burst', `${n}.log`));
  const isTime = desk.timer(25_000, 60_000);
  let leftBytes = 0;
  return {
    step: (elapsedMs) => {
      if (isTime(elapsedMs)) {
        leftBytes += desk.between(burstBytes.least, burstBytes.most) * scale;
        desk.did('bursts');
      }
      for (const startBytes = desk.bytes; leftBytes > 0;) {
        const beforeBytes = desk.bytes;
        if (beforeBytes - startBytes > burstStepBytes) return;
        pen.write(2_000);
        leftBytes -= desk.bytes - beforeBytes;
      }
    },
    [Symbol.dispose]: () => pen.lift(),
  };
}

type Life = { readonly pen: Pen; readonly path: string; readonly dieUnread: boolean };

/** 1,000 a minute, deleted once they are sent; some when their first lines are. */
function births(desk: Desk): Writer {
  const due = desk.rate(1_000 / 60);
  const lives = new Set<Life>();
  let born = 0;
  return {
    step: (elapsedMs, careless) => {
      for (let left = due(elapsedMs); left > 0 && lives.size < maxLives; left--) {
        const path = desk.path('births', `${born}.log`);
        const pen = desk.pen(`plain-birth${born++}`, path);
        pen.write(Math.ceil(desk.between(0, 12)));
        lives.add({ pen, path, dieUnread: desk.chance(0.2) });
      }
      for (const life of lives) {
        const { pen, path, dieUnread } = life;
        if (pen.settled === 0) continue;
        if (dieUnread && careless) {
          // The daemon has it open, and reads it to its end without a name.
          pen.write(3);
          desk.did('deleted unread');
        } else if (pen.settled < pen.written) continue;
        pen.lift();
        rmSync(path);
        lives.delete(life);
        desk.did('deleted');
      }
    },
    [Symbol.dispose]: () => {
      for (const { pen } of lives) pen.lift();
    },
  };
}

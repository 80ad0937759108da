// The spool: a file of ours that documents are appended to, a line each, and that is shipped like any other log file. So
// they outlive an outage and a restart. It is bounded: what comes beyond is dropped, counted and said.
import { messageOf } from '../errors.ts';
import type { Log } from '../log.ts';
import type { LogSource, SpoolTarget } from '../model/logs.ts';
import type { Files } from '../system/files.ts';
import type { SpoolFile, SpoolFiles } from '../system/spool-files.ts';

export type SpoolDeps = {
  readonly spoolFiles: SpoolFiles;
  readonly files: Pick<Files, 'remove'>;
  readonly log: Log;
};

export type SpoolInput = {
  readonly path: string;
  /** Has CloudWatch all of this file? undefined: nobody ships it. */
  readonly isDelivered: (file: SpoolFile) => boolean | undefined;
  readonly rotateBytes?: number;
  readonly maxBytes?: number;
};

export type Spool = {
  /** Lines since the start. */
  readonly written: number;
  readonly dropped: number;
  readonly error: string | undefined;
  /** Lines without newlines. Never rejects; what cannot be kept is dropped and counted. */
  append(lines: readonly string[]): Promise<void>;
  /** Lines that were lost before they came here. */
  drop(lines: number, why: string): void;
};

/** Of the file, after which it becomes `.1`; and of both together. */
const defaultRotateBytes = 8 * 1024 * 1024;
const defaultMaxBytes = 64 * 1024 * 1024;

/** The one place that says how a spool is followed. */
export function spoolSource(path: string, target: SpoolTarget): LogSource {
  return {
    ...target,
    filePath: path,
    files: 'all',
    encoding: 'utf-8',
    // Each line is a document.
    startPattern: undefined,
    timestamp: undefined,
    json: undefined,
    filters: [],
    blacklist: undefined,
    autoRemoval: false,
    releaseDeleted: false,
    groupOptions: {
      class: undefined,
      retentionDays: undefined,
      kmsKeyId: undefined,
      tags: undefined,
    },
    entity: undefined,
  };
}

/** Files beside `path`, of which each has its target in its name: see `fileNameOf`. */
export function namedSpoolsSource(path: string, target: SpoolTarget): LogSource {
  return { ...spoolSource(path, target), files: 'spool' };
}

export function createSpool({ spoolFiles, files, log }: SpoolDeps, input: SpoolInput): Spool {
  const { path, isDelivered } = input;
  const { rotateBytes = defaultRotateBytes, maxBytes = defaultMaxBytes } = input;
  const older = `${path}.1`;
  let written = 0;
  let dropped = 0;
  let error: string | undefined;
  /** A write was cut off: the next begins with a newline. Not known at the start. */
  let torn: boolean | undefined;
  /** Made at once: where its folder is missing, the shipper has to look for it each second. */
  let turns: Promise<void> = spoolFiles.append(path, '').catch(() => undefined);

  const drop = (lines: number, why: string): void => {
    const details = { path, lines, dropped: dropped + lines };
    const message = `cannot keep metrics or EMF documents: ${why}`;
    if (error === undefined) log.error(details, `${message}; they are dropped until it can`);
    else log.debug(details, message);
    error = message;
    dropped += lines;
  };

  /** Bytes of the older part; none once CloudWatch has it. */
  const tidy = async (isInTheWay: boolean): Promise<number> => {
    const found = await spoolFiles.stat(older);
    if (found === undefined) return 0;
    const delivered = isDelivered(found);
    if (delivered === false || (delivered === undefined && !isInTheWay)) return found.size;
    if (delivered === undefined) {
      log.warn({ path: older }, 'nothing is known of this part of the spool any more: removed');
    }
    await files.remove(older);
    return 0;
  };

  const put = async (lines: readonly string[]): Promise<void> => {
    const text = `${lines.join('\n')}\n`;
    let size = (await spoolFiles.stat(path))?.size ?? 0;
    let olderBytes = await tidy(size >= rotateBytes);
    if (size >= rotateBytes && olderBytes === 0) {
      await spoolFiles.rename(path, older);
      olderBytes = size;
      size = 0;
      torn = false;
    }
    const total = size + olderBytes + Buffer.byteLength(text);
    if (total > maxBytes) {
      drop(lines.length, `${path} is full (${maxBytes} bytes) and CloudWatch does not take it`);
      return;
    }
    torn ??= size > 0 && (await spoolFiles.isTorn(path));
    const begin = torn ? '\n' : '';
    torn = true;
    await spoolFiles.append(path, `${begin}${text}`);
    torn = false;
    written += lines.length;
    if (error !== undefined)
      log.info({ path, dropped }, 'metrics and EMF documents are kept again');
    error = undefined;
  };

  return {
    get written() {
      return written;
    },
    get dropped() {
      return dropped;
    },
    get error() {
      return error;
    },
    append: (lines) => {
      turns = turns.then(async () => {
        try {
          if (lines.length > 0) await put(lines);
        } catch (caught) {
          drop(lines.length, messageOf(caught));
        }
      });
      return turns;
    },
    drop,
  };
}

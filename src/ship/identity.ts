// Which file is this? Knows a file again by inode, birth, a hash of its head and a hash of the bytes before the offset.
// The device is only a hint: its number may change with a boot. An inode alone proves nothing, since it is used again.
import { createHash } from 'node:crypto';
import type { LogFileStat } from '../system/log-files.ts';
import type { Position, Tail } from './tail.ts';

/** What a checkpoint remembers of a file. */
export type FileIdentity = {
  readonly inode: string;
  readonly device: string;
  readonly birthNs: string | undefined;
  readonly mtimeMs: number;
  readonly headBytes: number;
  readonly headHash: string;
  readonly offset: number;
  readonly markerBytes: number;
  readonly markerHash: string;
};

/** Once it is whole, it stays what it is until the content is replaced. */
export type Head = { readonly generation: number; readonly bytes: number; readonly hash: string };

type Readable = { read(position: number, length: number): Promise<Buffer> };

const maxHeadBytes = 1024;

/** Of what CloudWatch has of the file. Throws `disk`. */
export async function identify(tail: Tail, known: Head | undefined): Promise<FileIdentity> {
  const { acked, stat } = tail;
  const { generation, offset, marker } = acked;
  const isWhole = known?.generation === generation && known.bytes === maxHeadBytes;
  const head = isWhole ? known : await readHead(tail, Math.min(maxHeadBytes, offset));
  return {
    inode: stat.inode,
    device: stat.device,
    birthNs: stat.birthNs,
    mtimeMs: stat.mtimeMs,
    headBytes: head.bytes,
    headHash: head.hash,
    offset,
    markerBytes: marker.length,
    markerHash: hashOf(marker),
  };
}

async function readHead(tail: Tail, length: number): Promise<Omit<Head, 'generation'>> {
  const head = await tail.readBytes(0, length);
  return { bytes: head.length, hash: hashOf(head) };
}

/** Where to go on in an open file; undefined: it is not the file of that identity. Throws `disk`. */
export async function resumePosition(
  file: Readable,
  stat: LogFileStat,
  identity: FileIdentity,
): Promise<Position | undefined> {
  const { offset, headBytes, markerBytes, birthNs } = identity;
  if (stat.inode !== identity.inode || stat.size < offset) return undefined;
  if (stat.birthNs !== undefined && birthNs !== undefined && stat.birthNs !== birthNs) {
    return undefined;
  }
  if (hashOf(await file.read(0, headBytes)) !== identity.headHash) return undefined;
  const marker = await file.read(offset - markerBytes, markerBytes);
  return hashOf(marker) === identity.markerHash ? { generation: 0, offset, marker } : undefined;
}

/** Not the content itself: state files are no place for lines of a log. */
function hashOf(data: Buffer): string {
  return createHash('sha256').update(data).digest('hex').slice(0, 32);
}

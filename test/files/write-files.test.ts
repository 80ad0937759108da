// The writer as a real process and as root: what it puts in place, what it refuses, and what is left when it dies.
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  chownSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createPrograms } from '../../src/files/programs.ts';
import { maxProgramsMs, type WantedFile } from '../../src/files/request.ts';
import type { Commands } from '../../src/system/commands.ts';
import { createVirtualTime } from '../fakes/virtual-time.ts';
import { mainFile } from '../lab/daemon-process.ts';
import { hungMount, noHungMount } from '../fixtures/hung-mount.ts';
import {
  answerIn,
  createWriterHost,
  noWriter,
  requestOf,
  type WriterHost,
} from '../fixtures/writer-host.ts';

const killAt = `--import=${join(import.meta.dirname, '..', 'lab', 'kill-at.ts')}`;
const timeoutMs = 60_000;

let host: WriterHost;
/** The file that most tests are about. */
let path: string;
let sh: (script: string, word?: string) => { argv: string[]; timeoutMs: number };

beforeEach(() => {
  if (noWriter !== '') return;
  host = createWriterHost();
  path = host.at('app/a.conf');
  sh = (script, word = '{}') => ({ argv: ['sh', '-c', script, word], timeoutMs });
});
afterEach(async () => {
  if (noWriter === '') await host[Symbol.asyncDispose]();
});

const content = (file = path): string | undefined =>
  existsSync(file) ? readFileSync(file, 'utf8') : undefined;
type Programs = Partial<Record<'check' | 'reload', { readonly argv: readonly string[] }>>;

/** Allows the files, with these programs. */
const allowAll = ({ check, reload }: Programs = {}, more: object = {}): void =>
  host.allow({
    files: ['app/*.conf', 'other/*.conf'].map((name) => ({
      path: host.at(name),
      check: check?.argv,
      reload: reload?.argv,
      ...more,
    })),
  });
const problemOf = async (...files: readonly Partial<WantedFile>[]): Promise<string | undefined> => {
  const { results, refused } = await host.ask(...files);
  return refused ?? results[0]?.problem;
};

const shown = ({ argv }: { readonly argv: readonly string[] }): string => JSON.stringify(argv);

const elsewhere = (): string => host.at('elsewhere');
const theirs = (): string | undefined => content(join(elsewhere(), 'a.conf'));

const runs = (): string => content(host.at('runs')) ?? '';

describe.skipIf(noWriter !== '')(`berth write-files${noWriter}`, { timeout: 120_000 }, () => {
  describe('puts in place', () => {
    test('content, owner, group and mode; and leaves alone what is so already', async () => {
      allowAll({}, { owner: 'daemon', group: '7', mode: '0644' });
      const file = { path, content: 'key = 1\n', owner: 'daemon', group: '7', mode: 0o604 };
      expect(await host.ask(file)).toEqual({
        results: [{ path, written: true, reloadDue: false }],
      });
      const { uid, gid, mode, ino } = statSync(path);
      expect({ uid, gid, mode: mode & 0o7777, text: content() }).toEqual({
        uid: 1,
        gid: 7,
        mode: 0o604,
        text: 'key = 1\n',
      });
      expect((await host.ask(file)).results[0]).toMatchObject({ written: false });
      expect(statSync(path).ino).toBe(ino);
      for (const drift of [
        () => chmodSync(path, 0o644),
        () => chownSync(path, 0, 7),
        () => chownSync(path, 1, 0),
        () => writeFileSync(path, 'key = 2\n'),
      ]) {
        drift();
        expect((await host.ask(file)).results[0]).toMatchObject({ written: true });
        const now = statSync(path);
        expect([now.uid, now.gid, now.mode & 0o7777, content()]).toEqual([
          1,
          7,
          0o604,
          'key = 1\n',
        ]);
      }
      expect(host.leftOver()).toEqual([]);
    });

    test('nothing of an owner that there is not, nor in a folder that there is not', async () => {
      allowAll({}, { owner: 'nobody-here' });
      expect(await problemOf({ path, owner: 'nobody-here' })).toBe(
        `cannot write ${path}: there is no user nobody-here`,
      );
      allowAll({}, { group: 'nobody-here' });
      expect(await problemOf({ path, group: 'nobody-here' })).toContain('no group nobody-here');
      allowAll();
      expect(await problemOf({ path: host.at('other/x.conf') })).toBe(
        `cannot write ${host.at('other/x.conf')}: there is no folder ${host.at('other')}`,
      );
      expect(content()).toBeUndefined();
    });
  });

  describe('refuses what the host does not allow', () => {
    test('without a policy everything, with one what is not in it; and says what to add', async () => {
      const reload = { argv: ['systemctl', 'reload', 'app'], timeoutMs };
      expect(await problemOf({ path, group: 'daemon', mode: 0o600, reload })).toBe(
        `cannot write ${path}: there is no ${host.policyPath}, which has to allow it: {"files": [{"path":"${path}","group":"daemon","mode":"0600","reload":["systemctl","reload","app"]}]}`,
      );
      host.allow({ files: [{ path: host.at('app/*.conf') }] });
      const wrong = host.at('app/a.txt');
      expect(await problemOf({ path: wrong })).toBe(
        `cannot write ${wrong}: ${host.policyPath} does not allow it: add {"path":"${wrong}"} to its "files"`,
      );
      mkdirSync(host.at('app/sub'));
      expect(await problemOf({ path: host.at('app/sub/a.conf') })).toContain('to its "files"');
      expect(content()).toBeUndefined();
      expect(await problemOf({ path })).toBeUndefined();
    });

    test('another owner, more rights, another program than the policy has for this very file', async () => {
      const [check, reload, other] = [sh('true'), sh('true', 'x'), sh('true', 'y')];
      const entry = { group: 'daemon', mode: '0644', check: check.argv, reload: reload.argv };
      const open = host.at('app/open.conf');
      host.allow({
        files: [
          { path, ...entry },
          { path: open, owner: 'daemon', reload: other.argv },
        ],
      });
      const good = { path, group: 'daemon', mode: 0o644, check, reload };
      const refusals: readonly [Partial<WantedFile>, string][] = [
        [{ owner: 'daemon' }, 'owner root, not daemon'],
        [{ group: 'root' }, 'group daemon, not root'],
        [{ group: '1' }, 'group daemon, not 1'],
        [{ mode: 0o664 }, 'mode 0644 at most, not 0664'],
        [{ mode: 0o700 }, 'mode 0644 at most, not 0700'],
        [{ check: undefined }, `check ${shown(check)}, not none`],
        [{ check: other }, `check ${shown(check)}, not ${shown(other)}`],
        // Which is allowed for the other file.
        [{ reload: other }, `reload ${shown(reload)}, not ${shown(other)}`],
      ];
      for (const [change, why] of refusals) {
        expect(await problemOf({ ...good, ...change, reloadDue: true })).toBe(
          `cannot write ${path}: ${host.policyPath} allows it with ${why}`,
        );
      }
      expect(content()).toBeUndefined();
      expect(await problemOf({ ...good, mode: 0o600 })).toBeUndefined();
      expect(await problemOf({ ...good, reload: undefined })).toBeUndefined();
      expect(statSync(path).mode & 0o7777).toBe(0o644);
      host.allow({
        files: [
          { path, ...entry },
          { path, owner: 'daemon' },
        ],
      });
      expect(await problemOf({ path, owner: 'daemon' })).toBeUndefined();
      expect(await problemOf({ path })).toMatch(
        /group daemon, not root, or with owner daemon, not/,
      );
    });

    test('and runs no program of a file that it refuses, due or not', async () => {
      const reload = sh(`echo run >> ${host.at('runs')}`, 'x');
      allowAll({ reload });
      const files = [{ path: host.at('app/a.txt'), reload, reloadDue: true }, { path }];
      const { results } = await host.ask(...files);
      expect(results.map(({ reloadDue, written }) => [reloadDue, written])).toEqual([
        [true, false],
        [false, true],
      ]);
      expect(runs()).toBe('');
    });

    test.each<[string, () => void, RegExp]>([
      ['one that others may write', () => chmodSync(host.policyPath, 0o646), /others than root/],
      ['one of another user', () => chownSync(host.policyPath, 1, 0), /others than root/],
      [
        'one in a folder of others',
        () => chmodSync(host.path, 0o777),
        /others than root may write to the folder/,
      ],
      [
        'no JSON',
        () => writeFileSync(host.policyPath, '{"files": ["/etc/sh'),
        /is not of the form/,
      ],
      ['an unknown key', () => host.allow({ files: [{ path }], path }), /files\.json: path is not/],
      [
        'an unknown word of a file',
        () => host.allow({ files: [{ path, user: 'root' }] }),
        /user is not/,
      ],
      ['set-user-ID', () => host.allow({ files: [{ path, mode: '4755' }] }), /0\.mode is not/],
      [
        'files for everybody',
        () => host.allow({ files: [{ path, mode: '0666' }] }),
        /0\.mode is not/,
      ],
      ['no program', () => host.allow({ files: [{ path, check: [] }] }), /0\.check is not/],
      [
        'folders by a pattern',
        () => host.allow({ files: [{ path: host.at('*/a.conf') }] }),
        /files\.0\.path is not/,
      ],
      [
        'a way up',
        () => host.allow({ files: [{ path: `${host.path}/app/../app/a.conf` }] }),
        /files\.0\.path is not/,
      ],
    ])('and trusts no policy that is wrong: %s', async (_name, spoil, why) => {
      allowAll();
      spoil();
      expect(await problemOf({ path })).toMatch(why);
      expect(content()).toBeUndefined();
    });

    test('and reads no secret of a policy that is a link', async () => {
      allowAll();
      renameSync(host.policyPath, host.at('real.json'));
      symlinkSync(host.at('real.json'), host.policyPath);
      expect(await problemOf({ path })).toContain('is a link');
    });

    test.each([
      ['garbage', 'hello'],
      ['a way up', { path: '/etc/../etc/a.conf' }],
      ['a relative path', { path: 'etc/a.conf' }],
      ['set-user-ID', { mode: 0o4755 }],
      ['set-group-ID', { mode: 0o2755 }],
      ['sticky', { mode: 0o1755 }],
      ['a file that everybody may write', { mode: 0o646 }],
      ['an unknown key', { uid: 0 }],
      ['no program', { check: { argv: [], timeoutMs: 1 } }],
    ])('and takes no request that is none: %s', async (_name, wrong) => {
      allowAll();
      const request = typeof wrong === 'string' ? `${wrong}\n` : requestOf({ path, ...wrong });
      const { stdout } = await host.run(request);
      expect(answerIn(stdout)).toMatchObject({
        results: [],
        refused: expect.stringMatching(/^cannot read the request: /),
      });
      expect(content()).toBeUndefined();
    });
  });

  test('and takes none that names a file twice', async () => {
    allowAll();
    const { stdout } = await host.run(requestOf({ path }, { path, content: 'other' }));
    expect(stdout).toBe(
      '{"results":[],"refused":"cannot read the request: files is not as it has to be"}\n',
    );
    expect(content()).toBeUndefined();
  });

  test('does nothing where nobody hears that it took the request', async () => {
    allowAll();
    const argv = [mainFile, 'write-files', '--policy', host.policyPath];
    const writer = spawn(process.execPath, argv, { stdio: ['pipe', 'pipe', 'ignore'] });
    await once(writer.stdout.destroy(), 'close');
    writer.stdin.end(requestOf({ path }));
    await once(writer, 'close');
    expect(content()).toBeUndefined();
  });

  test('its programs have a time together, which the unit allows', async () => {
    const unit = readFileSync(
      join(import.meta.dirname, '../../systemd/berth-files@.service'),
      'utf8',
    );
    const maxMs = Number(/^RuntimeMaxSec=(\d+)$/m.exec(unit)![1]) * 1_000;
    // What it does beside them.
    expect(maxMs).toBeGreaterThanOrEqual(maxProgramsMs + 30_000);
    const clock = createVirtualTime();
    const ran: number[] = [];
    const commands: Commands = {
      run: async ({ timeoutMs: ms }, signal) => {
        ran.push(ms);
        await clock.sleep(ms, signal);
        return { code: undefined, timedOut: true, lastLine: '' };
      },
    };
    const life = new AbortController().signal;
    const programs = createPrograms({ clock, commands }, life);
    const all = async (): Promise<readonly (string | undefined)[]> => {
      const failures = [];
      for (let i = 0; i < 128; i++) {
        failures.push(await programs.failureOf({ argv: ['a'], timeoutMs: 110_000 }, false));
      }
      return failures;
    };
    const failures = await clock.run(all());
    expect(ran).toHaveLength(7);
    expect(clock.monotonicMs()).toBeLessThanOrEqual(maxProgramsMs);
    expect(failures[7]).toBe('"a" was not run: all programs together had 14 minutes');
    expect(failures.slice(7)).toEqual(Array.from({ length: 121 }, () => failures[7]));
  });

  describe.skipIf(noHungMount !== '')(`where a file system hangs${noHungMount}`, () => {
    test('it names the file, writes the others, and ends', async () => {
      await using _hung = await hungMount(host.at('dead'));
      const reload = sh(`echo run >> ${host.at('runs')}`, 'x');
      // The sweep comes there as well.
      const dead = host.at('dead/sub/b.conf');
      host.allow({ files: [{ path: dead }, { path, reload: reload.argv }] });
      const { results } = await host.ask({ path: dead }, { path, reload });
      expect(results).toEqual([
        {
          path: dead,
          written: false,
          reloadDue: false,
          problem: `cannot write ${dead}: cannot read ${host.at('dead/sub')}: its file system does not answer`,
        },
        { path, written: true, reloadDue: false },
      ]);
      expect(content()).toBe('new\n');
      expect(runs()).toBe('run\n');
    });
  });

  describe('follows no link', () => {
    beforeEach(() => {
      if (noWriter !== '') return;
      allowAll();
      mkdirSync(elsewhere());
      writeFileSync(join(elsewhere(), 'a.conf'), 'theirs');
    });

    test('in the place of the file, nor what is no file', async () => {
      symlinkSync(join(elsewhere(), 'a.conf'), path);
      expect(await problemOf({ path })).toContain(`${path} is a link`);
      const folder = host.at('app/b.conf');
      mkdirSync(folder);
      expect(await problemOf({ path: folder })).toContain('is no regular file');
      const pipe = host.at('app/c.conf');
      execFileSync('mkfifo', [pipe]);
      expect(await problemOf({ path: pipe })).toContain('is no regular file');
      expect(theirs()).toBe('theirs');
    });

    test('nor a file that has another path too', async () => {
      linkSync(join(elsewhere(), 'a.conf'), path);
      for (const content of ['theirs', 'new']) {
        expect(await problemOf({ path, content })).toBe(
          `cannot write ${path}: ${path} is no regular file, or a hard link: remove it, or name another path`,
        );
      }
      expect(theirs()).toBe('theirs');
    });

    test('in the place of its folder, or of one above', async () => {
      symlinkSync(elsewhere(), host.at('other'));
      expect(await problemOf({ path: host.at('other/a.conf') })).toContain(
        `${host.at('other')} is a link or no folder`,
      );
      host.allow({ files: [{ path: host.at('other/elsewhere/a.conf') }] });
      renameSync(host.at('other'), host.at('gone'));
      symlinkSync(host.path, host.at('other'));
      expect(await problemOf({ path: host.at('other/elsewhere/a.conf') })).toContain('is a link');
      expect(theirs()).toBe('theirs');
    });

    test.each<[string, () => void]>([
      ['everybody may write', () => chmodSync(host.at('app'), 0o757)],
      ['everybody may write, sticky', () => chmodSync(host.at('app'), 0o1777)],
      ['its group may write', () => chmodSync(host.at('app'), 0o775)],
      ['is of another user', () => chownSync(host.at('app'), 1, 0)],
    ])('and uses no folder that %s', async (_name, change) => {
      change();
      expect(await problemOf({ path })).toContain(
        `others than root may write to the folder ${host.at('app')}: chown root`,
      );
      expect(content()).toBeUndefined();
    });

    test('that takes the place of the folder while the check runs', async () => {
      const swap = sh(
        `mv ${host.at('app')} ${host.at('moved')}; ln -s ${elsewhere()} ${host.at('app')}`,
      );
      allowAll({ check: swap });
      writeFileSync(path, 'old');
      await host.ask({ path, check: swap });
      expect(lstatSync(host.at('app')).isSymbolicLink()).toBe(true);
      // In the folder that was looked at, and nowhere else.
      expect(content(host.at('moved/a.conf'))).toBe('new\n');
      expect(theirs()).toBe('theirs');
      expect(host.leftOver()).toEqual([]);
      expect(await problemOf({ path, check: swap })).toContain('is a link');
    });

    test('that lies where the temporary file goes', async () => {
      symlinkSync(join(elsewhere(), 'a.conf'), host.at('app/.a.conf.berth-new'));
      expect(await problemOf({ path })).toBeUndefined();
      expect(content()).toBe('new\n');
      expect(theirs()).toBe('theirs');
    });
  });

  describe('checks first', () => {
    test('the new content, in a file beside; a failure keeps the old one', async () => {
      const check = sh('echo looking at line 3; grep -q good "$0"');
      allowAll({ check });
      expect(await problemOf({ path, content: 'good', check })).toBeUndefined();
      expect(await host.ask({ path, content: 'bad', check })).toEqual({
        results: [
          {
            path,
            written: false,
            reloadDue: false,
            problem: `cannot write ${path}: its check "sh" ended with code 1: looking at line 3; the old file stays`,
          },
        ],
      });
      expect(await problemOf({ path, content: 'bad', check, quiet: true })).toBe(
        `cannot write ${path}: its check "sh" ended with code 1; the old file stays`,
      );
      expect(content()).toBe('good');
      expect(host.leftOver()).toEqual([]);
    });

    test('a check that hangs is ended with all that it started', async () => {
      const pid = host.at('pid');
      const check = { ...sh(`sleep 300 & echo $! > ${pid}; wait`), timeoutMs: 1_000 };
      allowAll({ check });
      expect(await problemOf({ path, check })).toContain('"sh" had not ended after 1 s');
      // Nobody waits for it any more than for an orphan: gone, or a zombie.
      const state = (): string => {
        const file = `/proc/${readFileSync(pid, 'utf8').trim()}/stat`;
        return existsSync(file) ? readFileSync(file, 'utf8').split(' ')[2]! : 'gone';
      };
      expect(['gone', 'Z', 'X']).toContain(state());
      expect(content()).toBeUndefined();
      expect(host.leftOver()).toEqual([]);
    });

    test('a check that is not installed, or is killed, is a failure', async () => {
      const missing = { argv: ['berth-no-such-program', '{}'], timeoutMs };
      const killed = sh('kill -9 $$');
      allowAll({ check: missing });
      expect(await problemOf({ path, check: missing })).toContain('it is not installed');
      allowAll({ check: killed });
      expect(await problemOf({ path, check: killed })).toContain('"sh" was killed');
      expect(content()).toBeUndefined();
    });
  });

  describe('reloads after', () => {
    test('once for several files, and not where nothing changed', async () => {
      const reload = sh(`echo run >> ${host.at('runs')}`, 'x');
      allowAll({ reload });
      const files = ['a', 'b'].map((name) => ({ path: host.at(`app/${name}.conf`), reload }));
      expect((await host.ask(...files)).results.map(({ written }) => written)).toEqual([
        true,
        true,
      ]);
      expect(runs()).toBe('run\n');
      await host.ask(...files);
      expect(runs()).toBe('run\n');
      await host.ask({ ...files[0], reloadDue: true });
      expect(runs()).toBe('run\nrun\n');
    });

    test('a failure is said, and due until it succeeds', async () => {
      const reload = sh(`test -e ${host.at('fixed')} || { echo cannot bind >&2; exit 3; }`, 'x');
      allowAll({ reload });
      expect(await host.ask({ path, reload })).toEqual({
        results: [
          {
            path,
            written: true,
            reloadDue: true,
            problem: `cannot reload after ${path} was written: "sh" ended with code 3: cannot bind`,
          },
        ],
      });
      expect(content()).toBe('new\n');
      writeFileSync(host.at('fixed'), '');
      expect(await host.ask({ path, reload, reloadDue: true })).toEqual({
        results: [{ path, written: false, reloadDue: false }],
      });
    });

    test('a file whose check fails is not reloaded, its neighbour of another service is', async () => {
      const [check, reload] = [sh('false'), sh(`echo run >> ${host.at('runs')}`, 'x')];
      const other = sh(`echo other >> ${host.at('runs')}`, 'x');
      const [b, c] = [host.at('app/b.conf'), host.at('app/c.conf')];
      host.allow({
        files: [
          { path, check: check.argv, reload: reload.argv },
          { path: b, reload: other.argv },
          { path: c },
        ],
      });
      const files = [{ path, check, reload }, { path: b, reload: other }, { path: c }];
      const { results } = await host.ask(...files);
      expect(results.map(({ written }) => written)).toEqual([false, true, true]);
      expect(runs()).toBe('other\n');
    });

    test.each<[string, (last: string) => object | undefined]>([
      ['its check', () => ({ content: 'bad' })],
      ['the policy', () => ({ mode: 0o660 })],
      [
        'a link in its place',
        (last) => {
          symlinkSync('/etc/hostname', last);
          return undefined;
        },
      ],
    ])(
      'files with the same reload come together or not at all: refused by %s',
      async (_, spoil) => {
        const check = sh('! grep -q bad "$0"');
        const reload = sh(`cat ${host.at('app')}/*.conf >> ${host.at('runs')}`, 'x');
        allowAll({ check, reload });
        const [b, last] = [host.at('app/b.conf'), host.at('app/c.conf')];
        const good = [path, b, last].map((one) => ({
          path: one,
          content: `${one}\n`,
          check,
          reload,
        }));
        writeFileSync(path, 'old\n');
        const { results } = await host.ask(...good.slice(0, 2), { ...good[2]!, ...spoil(last) });
        expect(results.map(({ written, reloadDue }) => [written, reloadDue])).toEqual(
          good.map(() => [false, false]),
        );
        const why = `${last} has the same reload, and is refused`;
        expect(results[0]!.problem).toBe(`cannot write ${path}: ${why}`);
        expect(results[2]!.problem).not.toContain(why);
        expect({ a: content(), b: content(b), runs: runs() }).toEqual({
          a: 'old\n',
          b: undefined,
          runs: '',
        });
        expect(host.leftOver()).toEqual([]);
        rmSync(last, { force: true });
        const again = await host.ask(...good);
        expect(again.results.map(({ written }) => written)).toEqual([true, true, true]);
        expect(runs()).toBe([path, b, last].map((one) => `${one}\n`).join(''));
      },
    );

    test('its programs have no environment but PATH and LC_ALL, and no input', async () => {
      const reload = sh(
        `cat; env | cut -d= -f1 | grep -v '^_$\\|^PWD$\\|^SHLVL$\\|^OLDPWD$' | sort > ${host.at('runs')}`,
        'x',
      );
      allowAll({ reload });
      await host.run(requestOf({ path, reload }), { SECRET: 'x' });
      expect(runs()).toBe('LC_ALL\nPATH\n');
    });
  });

  test(
    'killed before anything that it does: the old file or the new, and the next run leaves nothing behind',
    { timeout: 400_000 },
    async () => {
      const check = sh('grep -q content "$0"');
      const reload = sh(`cp ${path} ${host.at('reloaded')}`, 'x');
      allowAll({ check, reload });
      const [old, fresh] = [`old content\n`, `new content ${'x'.repeat(200_000)}\n`];
      const request = requestOf({ path, content: fresh, check, reload });
      const env = { NODE_OPTIONS: killAt, KILL_FROM: 'start', KILL_COUNT_FILE: host.at('count') };
      writeFileSync(path, old);
      await host.run(request, { ...env, KILL_AT: '0' });
      expect(content()).toBe(fresh);
      const asks = Number(content(host.at('count')));
      expect(asks).toBeGreaterThan(20);
      const seen = new Set<string>();
      let left = 0;
      const reloads: boolean[] = [];
      for (let at = 1; at <= asks; at++) {
        writeFileSync(path, old);
        chmodSync(path, 0o640);
        writeFileSync(host.at('reloaded'), '');
        const { code } = await host.run(request, { ...env, KILL_AT: String(at) });
        const isOld = content() === old;
        seen.add(`${code === 0} ${isOld}`);
        expect({ at, whole: isOld || content() === fresh }).toEqual({ at, whole: true });
        left += host.leftOver().length;
        // What the daemon does after it: it knows of no answer. Or the file is not wanted any more.
        const again = { path, content: fresh, check, reload, reloadDue: true };
        const wanted = at % 2 === 0 ? [again] : [];
        const { results } = await host.ask(...wanted);
        expect(results.map(({ reloadDue }) => reloadDue)).toEqual(wanted.map(() => false));
        reloads.push(at % 2 === 0 ? content(host.at('reloaded')) === fresh : true);
        expect({ at, left: host.leftOver() }).toEqual({ at, left: [] });
      }
      // Some died before the rename, some after it, and some with a temporary file.
      expect([...seen]).toEqual(expect.arrayContaining(['false true', 'false false']));
      expect(left).toBeGreaterThan(3);
      expect(reloads).not.toContain(false);
    },
  );

  test('killed by its own programs: the same', async () => {
    const check = sh('kill -9 $PPID');
    allowAll({ check });
    writeFileSync(path, 'old');
    expect((await host.run(requestOf({ path, check }))).stdout).toBe('taken\n');
    expect(content()).toBe('old');
    expect(host.leftOver()).toEqual(['app/.a.conf.berth-new']);
    await host.run(requestOf());
    expect(host.leftOver()).toEqual([]);
  });
});

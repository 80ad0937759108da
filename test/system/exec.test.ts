// Real processes: their output, their end, and ours before theirs.
import { describe, expect, test } from 'vitest';
import { systemExec } from '../../src/system/exec.ts';

const { signal } = new AbortController();
const node = (script: string): readonly [string, ...string[]] => [process.execPath, '-e', script];
const run = (argv: readonly [string, ...string[]], stdin?: string, timeoutMs = 10_000) =>
  systemExec.run({ argv, stdin, timeoutMs }, signal);

describe('run', () => {
  test('hands over output and exit code, whatever it is', async () => {
    const script = 'process.stdin.pipe(process.stdout); console.error("oh"); process.exitCode = 3';
    expect(await run(node(script), 'in')).toEqual({ code: 3, stdout: 'in', stderr: 'oh\n' });
  });

  test('a program that does not read its input ends as it does', async () => {
    expect(await run(node(''), 'x'.repeat(1_000_000))).toMatchObject({ code: 0 });
  });

  test('arguments are no shell words', async () => {
    const argv = [process.execPath, '-p', 'process.argv[1]', '$(id); "*"'] as const;
    expect((await run(argv)).stdout).toBe('$(id); "*"\n');
  });

  test('the child gets no setting of ours', async () => {
    process.env['AWS_SECRET_ACCESS_KEY'] = 'secret';
    process.env['NOTIFY_SOCKET'] = '/run/systemd/notify';
    try {
      const { stdout } = await run(node('console.log(Object.keys(process.env).sort().join())'));
      expect(stdout).toBe('LC_ALL,PATH\n');
    } finally {
      delete process.env['AWS_SECRET_ACCESS_KEY'];
      delete process.env['NOTIFY_SOCKET'];
    }
  });

  test('one that is not installed', async () => {
    await expect(run(['berth-nothing'])).rejects.toMatchObject({
      code: 'command-missing',
      message: 'cannot run "berth-nothing": it is not installed',
    });
  });

  test('one that does not end is killed', async () => {
    await expect(run(node('setInterval(() => 0, 1000)'), undefined, 300)).rejects.toMatchObject({
      code: 'timeout',
      retryable: true,
    });
  });

  test('an abort ends it, with its reason', async () => {
    const stop = new AbortController();
    const reason = new Error('stopped');
    const input = { argv: node('setInterval(() => 0, 1000)'), stdin: undefined, timeoutMs: 10_000 };
    const running = systemExec.run(input, stop.signal);
    stop.abort(reason);
    await expect(running).rejects.toBe(reason);
    await expect(systemExec.run(input, stop.signal)).rejects.toBe(reason);
  });
});

describe('follow', () => {
  test('hands over line by line, until the end', async () => {
    const lines: string[] = [];
    await systemExec.follow(node('console.log("a\\nb")'), (line) => lines.push(line), signal);
    expect(lines).toEqual(['a', 'b']);
  });

  test('ends with the signal', async () => {
    const stop = new AbortController();
    const script = 'setInterval(() => console.log("tick"), 10)';
    await systemExec.follow(node(script), () => stop.abort(), stop.signal);
    expect(stop.signal.aborted).toBe(true);
  });

  test('one that is not installed', async () => {
    const following = systemExec.follow(['berth-nothing'], () => undefined, signal);
    await expect(following).rejects.toMatchObject({ code: 'command-missing' });
  });
});

// The conformance program as a process: against the lab and moto, misused, and interrupted half-way.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, globSync, readFileSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { answersFile, differences, redact, type AnswersFile } from './conformance-answers.ts';
import { readOptions, UsageError } from './conformance-options.ts';
import type { Lab } from './lab.ts';
import { hasMoto, needsMoto, startMoto } from './moto.ts';
import { createClients, type Credentials } from './probe-clients.ts';
import { createProbeLab, labPlace } from './probe-lab.ts';
import { markedEnis } from './probe-sweep.ts';
import { createTlsFront, needsOpenssl } from './tls-front.ts';

const fixtures = join(import.meta.dirname, '..', 'fixtures');
const { divergences } = JSON.parse(readFileSync(join(fixtures, 'divergences.json'), 'utf8')) as {
  readonly divergences: readonly { readonly probe: string; readonly moto: string }[];
};

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'conformance-'));
});
afterAll(() => rm(folder, { recursive: true }));

type Ended = { readonly code: number | null; readonly output: string };

/** `onTerminal`: through script(1), which gives it a terminal and passes on what comes by stdin. */
function start(
  args: readonly string[],
  operator: Credentials,
  more: Record<string, string> = {},
  onTerminal = false,
) {
  const own = [process.execPath, join(import.meta.dirname, 'conformance.ts'), ...args];
  const [command, ...rest] = onTerminal ? ['script', '-qec', own.join(' '), '/dev/null'] : own;
  const child = spawn(command!, rest, {
    stdio: [onTerminal ? 'pipe' : 'ignore', 'pipe', 'pipe'],
    env: {
      PATH: process.env['PATH'],
      AWS_EC2_METADATA_DISABLED: 'true',
      AWS_CONFIG_FILE: join(folder, 'no-config'),
      AWS_SHARED_CREDENTIALS_FILE: join(folder, 'no-credentials'),
      AWS_ACCESS_KEY_ID: operator.accessKeyId,
      AWS_SECRET_ACCESS_KEY: operator.secretAccessKey,
      ...more,
    },
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream!.on('data', (chunk: Buffer) => (output += chunk.toString()));
  }
  const ended = once(child, 'close').then(([code]): Ended => ({ code: code as number, output }));
  return { child, ended };
}

const nobody = { accessKeyId: 'AKIANOBODY0000000000', secretAccessKey: 'none' };
const instances = labPlace.instances.join(',');

const readAnswers = (file: string): AnswersFile =>
  JSON.parse(readFileSync(file, 'utf8')) as AnswersFile;

async function leftIn(lab: Lab): Promise<object> {
  using clients = createClients({ ...lab, credentials: lab.operator });
  return {
    enis: (await markedEnis(clients.ec2, undefined)).length,
    groups: lab.logs.groups(),
  };
}
const nothing = { enis: 0, groups: [] };

function expectNoAccountData(file: string, ...secrets: readonly string[]): void {
  const text = readFileSync(file, 'utf8');
  for (const secret of secrets) expect(text).not.toContain(secret);
  expect(text).not.toMatch(/arn:aws|\b\d{12}\b|\b\d+\.\d+\.\d+\.\d+\b|A[KS]IA[A-Z0-9]{12}/);
  expect(text).not.toMatch(/\b(eni|i|subnet|vpc|sg|eni-attach)-[0-9a-f]{8,17}\b/);
}

describe('against the lab', () => {
  test('full: everything is asked, taken away, and free of account data', async () => {
    await using lab = await createProbeLab();
    const answers = join(folder, 'lab-full.json');
    const credentialsFile = join(folder, 'roles');
    const profile = (name: string, instanceId: string): string => {
      const keys = lab.credentialsFor(instanceId);
      return `[${name}]
aws_access_key_id=${keys.accessKeyId}
aws_secret_access_key=${keys.secretAccessKey}
aws_session_token=${keys.sessionToken}\n`;
    };
    const [a, b] = labPlace.instances;
    writeFileSync(credentialsFile, profile('a', a) + profile('b', b));
    const { ended } = start(
      ['--endpoint', lab.endpoint, '--mode', 'full', '--instances', instances].concat([
        '--as',
        'a,b',
        '--answers',
        answers,
      ]),
      lab.operator,
      { AWS_SHARED_CREDENTIALS_FILE: credentialsFile },
    );
    const { code, output } = await ended;
    expect(output).toMatch(/^Asks http:.* questions \(mode full\)\.\nCreates, and deletes again:/);
    expect(output).toMatch(/Cost: below/);
    expect({ code, output }).toMatchObject({ code: 0 });
    expect(await leftIn(lab)).toEqual(nothing);
    expectNoAccountData(answers, lab.accountId, lab.operator.accessKeyId);
    const file = readAnswers(answers);
    const said = new Map(file.answers.map((answer) => [answer.probe, answer.said]));
    expect(said.get('role: claims as itself')).toBe('200');
    expect(said.get('role: claims as another')).toBe('403 UnauthorizedOperation');
    expect(said.get('role: claims what another has')).toBe('403 UnauthorizedOperation');
    expect(said.get('role: attaches what it has just tagged')).toBe('200');
    expect(said.get('tags: delete: key and another value')).toBe(
      '200 {"said":"200","left":{"owner":"me"}}',
    );
    const unasked = file.answers.filter((answer) => answer.said.startsWith('not asked'));
    // What takes instances to end, or keys that the account would have to make.
    expect(unasked.length).toBeLessThan(20);
  }, 60_000);

  test('read-only: nothing is created or changed', async () => {
    await using lab = await createProbeLab();
    const answers = join(folder, 'lab-read.json');
    const { ended } = start(['--endpoint', lab.endpoint, '--answers', answers], lab.operator);
    const { code, output } = await ended;
    expect({ code, output }).toMatchObject({ code: 0 });
    const changed = lab.front.calls.filter(
      (call) => call.code === undefined && !/^(Describe|Get)/.test(call.action),
    );
    expect(changed).toEqual([]);
    expectNoAccountData(answers, lab.accountId);
    expect(readAnswers(answers).answers.length).toBeGreaterThan(30);
  }, 30_000);

  test.each(['SIGINT', 'SIGTERM'] as const)(
    '%s half-way: all is taken away',
    async (signal) => {
      await using lab = await createProbeLab();
      const answers = join(folder, `${signal}.json`);
      const { child, ended } = start(
        ['--endpoint', lab.endpoint, '--mode', 'full', '--instances', instances].concat([
          '--answers',
          answers,
        ]),
        lab.operator,
      );
      let made = 0;
      lab.front.onCall((call) => {
        if (call.action === 'CreateNetworkInterface') made++;
        // The next attach is waited for until somebody interrupts.
        if (call.code === 'MissingParameter') lab.ec2.dials.attachMs = 3_600_000;
        const waits = lab.ec2.enis().some((eni) => eni.status === 'attaching');
        if (waits && !child.killed) child.kill(signal);
      });
      const { code, output } = await ended;
      expect(output).toMatch(
        /interrupted: cleaning up\n[^]*interrupted: no answers were written\n$/,
      );
      expect(code).toBe(1);
      expect(made).toBeGreaterThan(5);
      expect(await leftIn(lab)).toEqual(nothing);
      expect(existsSync(answers)).toBe(false);
    },
    30_000,
  );

  test('clean: takes away what a killed run left', async () => {
    await using lab = await createProbeLab();
    const { child, ended } = start(
      ['--endpoint', lab.endpoint, '--mode', 'full', '--instances', instances],
      lab.operator,
    );
    lab.front.onCall((call) => {
      if (call.action === 'AttachNetworkInterface' && call.code === 'MissingParameter') {
        child.kill('SIGKILL');
      }
    });
    await ended;
    expect(await leftIn(lab)).toMatchObject({ enis: 1 });
    lab.ec2.dials.pagedAbove = 1;
    const cleaned = await start(['--endpoint', lab.endpoint, '--mode', 'clean'], lab.operator)
      .ended;
    expect(cleaned.output).toContain('took away 1 ENIs, 0 parameters, 0 log groups');
    expect(await leftIn(lab)).toEqual(nothing);
  }, 30_000);
});

test.skipIf(needsOpenssl !== '')(
  `--ca: an endpoint whose certificate no public authority signed${needsOpenssl}`,
  async () => {
    await using lab = await createProbeLab();
    await using front = await createTlsFront(lab.endpoint, await mkdtemp(join(folder, 'tls-')));
    const answers = join(folder, 'tls.json');
    const args = ['--endpoint', front.endpoint, '--answers', answers];
    const distrusts = await start(args, lab.operator).ended;
    expect(distrusts.output).toMatch(/unable to verify the first certificate|self-signed/);
    expect(distrusts.code).toBe(1);
    expect(lab.front.calls).toEqual([]);
    const { code, output } = await start([...args, '--ca', front.caFile], lab.operator).ended;
    expect({ code, output }).toMatchObject({ code: 0 });
    expect(readAnswers(answers).answers.length).toBeGreaterThan(30);
    expect(lab.front.calls.length).toBeGreaterThan(30);
  },
  30_000,
);

/** On a terminal, with what an operator types there. */
async function typeInto(lab: Lab, answers: string, typed: string): Promise<Ended> {
  // The SDK's own rules for where AWS is; no test may talk to AWS itself.
  const more = { AWS_ENDPOINT_URL: lab.endpoint };
  const args = ['--really', '--region', lab.region, '--answers', answers];
  const { child, ended } = start(args, lab.operator, more, true);
  child.stdout!.on('data', (chunk: Buffer) => {
    if (chunk.toString().includes('Type yes')) child.stdin!.write(typed);
  });
  return await ended;
}

describe('--really', () => {
  test('asks, and goes on after yes alone', async () => {
    await using lab = await createProbeLab();
    const answers = join(folder, 'really.json');
    for (const typed of ['no\n', '\n', 'YES\n', '\u0003', '\u0004']) {
      const { code, output } = await typeInto(lab, answers, typed);
      expect(output).toMatch(
        /^Asks AWS, region eu-west-1 \d+ questions[^]*Cost: none\.[^]*Type yes/,
      );
      expect({ typed, code }).toEqual({ typed, code: 0 });
    }
    expect(lab.front.calls).toEqual([]);
    expect(existsSync(answers)).toBe(false);
    expect(await typeInto(lab, answers, 'yes\n')).toMatchObject({ code: 0 });
    expect(readAnswers(answers).answers.length).toBeGreaterThan(30);
  }, 60_000);
});

async function readOnly(endpoint: string, keys: Credentials, name: string): Promise<AnswersFile> {
  const answers = join(folder, name);
  const { code, output } = await start(['--endpoint', endpoint, '--answers', answers], keys).ended;
  expect({ code, output }).toMatchObject({ code: 0 });
  expectNoAccountData(answers, keys.accessKeyId);
  return readAnswers(answers);
}

test.skipIf(!hasMoto)(
  `against moto, read-only: its differences to the lab show${needsMoto}`,
  async () => {
    await using lab = await createProbeLab();
    await using moto = await startMoto();
    const [ours, theirs] = await Promise.all([
      readOnly(lab.endpoint, lab.operator, 'of-lab.json'),
      readOnly(moto.endpoint, moto.credentials, 'of-moto.json'),
    ]);
    const between = differences(ours, theirs);
    expect(between).toContain('describe: MaxResults 4: 400 InvalidMaxResults / 200');
    expect(between.length).toBeLessThan(ours.answers.length / 2);
    expect(differences(ours, ours)).toEqual([]);
  },
  60_000,
);

test.skipIf(!hasMoto)(
  `against moto, full: it says what the list of divergences has of it, and all is taken away${needsMoto}`,
  async () => {
    await using moto = await startMoto();
    const answers = join(folder, 'moto-full.json');
    const args = ['--endpoint', moto.endpoint, '--mode', 'full', '--answers', answers];
    const { ended } = start(
      [...args, '--instances', moto.place.instances.join(',')],
      moto.credentials,
    );
    const { code, output } = await ended;
    expect({ code, output }).toMatchObject({ code: 0 });
    expectNoAccountData(answers, moto.credentials.accessKeyId);
    using clients = createClients(moto);
    expect(await markedEnis(clients.ec2, undefined)).toEqual([]);
    const said = new Map(readAnswers(answers).answers.map((answer) => [answer.probe, answer.said]));
    const asked = divergences.filter(({ probe }) => !said.get(probe)?.startsWith('not asked: '));
    expect(asked.length).toBeGreaterThan(50);
    expect(asked.map(({ probe }) => `${probe}: ${said.get(probe)}`)).toEqual(
      asked.map(({ probe, moto: known }) => `${probe}: ${known}`),
    );
  },
  120_000,
);

/** Of accounts, as somebody recorded them. */
const recorded = globSync('conformance-*.json', {
  cwd: fixtures,
});
test.skipIf(recorded.length === 0)(
  `the lab says what AWS said${recorded.length === 0 ? ' (skipped: nobody has recorded it yet)' : ''}`,
  async () => {
    await using lab = await createProbeLab();
    const answers = join(folder, 'held.json');
    const args = ['--endpoint', lab.endpoint, '--mode', 'full', '--instances', instances];
    const { ended } = start([...args, '--answers', answers], lab.operator);
    expect((await ended).code).toBe(0);
    for (const name of recorded) {
      const theirs = readAnswers(join(fixtures, name));
      expect({ name, not: differences(theirs, readAnswers(answers)) }).toEqual({ name, not: [] });
    }
  },
  60_000,
);

describe('misuse', () => {
  const loopback = ['--endpoint', 'http://127.0.0.1:9'];
  test.each([
    ['no endpoint', [], 'cannot talk to AWS itself without --really'],
    [
      'an endpoint of AWS',
      ['--endpoint', 'https://ec2.eu-west-1.amazonaws.com'],
      'cannot talk to AWS itself without --really',
    ],
    ['no region', ['--really'], '--region is missing'],
    ['an unknown option', ['--nonsense'], "Unknown option '--nonsense'"],
    ['an unknown mode', [...loopback, '--mode', 'all'], 'no mode all'],
    ['no URL', ['--endpoint', 'nonsense'], 'not a URL: nonsense'],
    ['no instances', [...loopback, '--mode', 'full'], 'the mode full needs --instances'],
    ['one instance', [...loopback, '--instances', 'i-1'], '--instances takes two'],
  ])('%s is refused', (_name, args, message) => {
    expect(() => readOptions(args, {})).toThrow(new RegExp(`^${message}`));
    expect(() => readOptions(args, {})).toThrow(UsageError);
  });

  test.each([
    ['no endpoint', [], 'cannot talk to AWS itself without --really'],
    ['no terminal', ['--really', '--region', 'eu-west-1'], 'there is no terminal'],
  ])('%s: 64, and no call', async (_name, args, message) => {
    const { code, output } = await start(args, nobody).ended;
    expect(output).toContain(message);
    expect(output).toContain('usage: npm run conformance');
    expect(code).toBe(64);
  });

  test('an endpoint where nobody is: 1', async () => {
    const { code } = await start(loopback, nobody).ended;
    expect(code).toBe(1);
  });
});

test('texts lose what belongs to the account', () => {
  const text =
    'User: arn:aws:sts::111122223333:assumed-role/x/i-0123456789abcdef0 may not, 10.0.1.5, ip-10-0-1-5, ' +
    'eni-0123456789abcdef0 eni-attach-0123456789abcdef0 AKIAIOSFODNN7EXAMPLE 02:aa:bb:cc:dd:ee 444455556666 run7';
  expect(redact(text, 'run7')).toBe(
    'User: ARN may not, IP, ip-IP, eni-* eni-attach-* KEY MAC ACCOUNT RUN',
  );
  const about = { mode: 'full', nowMs: 0, run: 'run7' };
  const file = answersFile(new Map([['one', { said: '200', text: 'in run7' }]]), about);
  expect(file).toEqual({
    mode: 'full',
    day: '1970-01-01',
    answers: [{ probe: 'one', said: '200', text: 'in RUN' }],
  });
});

// What is said beside ready: no answer to the address, and a networkd that manages the device.
import { beforeEach, expect, test } from 'vitest';
import { planRoutes } from '../../src/route/plan.ts';
import { routeConcerns, type ConcernDeps } from '../../src/route/concerns.ts';
import { systemFiles } from '../../src/system/files.ts';
import type { HttpRequest } from '../../src/system/http.ts';
import { claimedEni, plainRouting } from '../fixtures/claimed-eni.ts';

const { signal } = new AbortController();
const device = { name: 'eth1', index: 3, mac: '02:00:00:00:01:20' };
const claimed = claimedEni({ eni: { ipv4: ['10.0.1.20', '10.0.1.21'] } });
const plan = planRoutes({ claimed, device, mtu: 9001, ...plainRouting });

let asked: HttpRequest[];
let answer: () => Promise<{ status: number; body: Buffer }>;
let content: Record<string, string>;
let deps: ConcernDeps;

beforeEach(() => {
  asked = [];
  answer = () => Promise.resolve({ status: 200, body: Buffer.from('token') });
  content = {};
  deps = {
    files: { ...systemFiles, readText: (path) => Promise.resolve(content[path]) },
    http: { request: (input) => (asked.push(input), answer()) },
  };
});

const concerns = (
  imdsEndpoint = 'http://169.254.169.254',
  of = plan,
  until = signal,
): Promise<readonly string[]> =>
  routeConcerns(deps, { plan: of, imdsEndpoint, isOwn: true }, until);

test('asks for a token from the first address, on a connection that is not kept', async () => {
  expect(await concerns()).toEqual([]);
  expect(asked).toMatchObject([
    {
      method: 'PUT',
      url: 'http://169.254.169.254/latest/api/token',
      localAddress: '10.0.1.20',
      headers: { Connection: 'close' },
    },
  ]);
  expect(asked[0]!.timeoutMs).toBeLessThan(3_000);
});

test('any status is an answer: the packets came back', async () => {
  answer = () => Promise.resolve({ status: 403, body: Buffer.alloc(0) });
  expect(await concerns()).toEqual([]);
});

test('no answer is said, with the address and where to look', async () => {
  answer = () => Promise.reject(new Error('no answer within 1500 ms'));
  expect(await concerns()).toEqual([
    expect.stringMatching(/^http:\/\/169\.254\.169\.254 does not answer 10\.0\.1\.20 \(no answer/),
  ]);
});

test('not asked from IPv4: an endpoint of IPv6 or by name, and an ENI without IPv4', async () => {
  expect(await concerns('http://[fd00:ec2::254]')).toEqual([]);
  expect(await concerns('http://imds.example')).toEqual([]);
  const empty = { addresses: [], sources: [], subnets: [], gateway: undefined };
  expect(await concerns(undefined, { ...plan, ipv4: empty })).toEqual([]);
  expect(asked).toEqual([]);
});

test('a stop is no concern', async () => {
  const stop = new AbortController();
  answer = () => {
    stop.abort(new Error('stopped'));
    return Promise.reject(new Error('socket closed'));
  };
  await expect(concerns(undefined, plan, stop.signal)).rejects.toThrow('stopped');
});

const networkdSays = (state: string): void => {
  content['/sys/class/net/eth1/ifindex'] = '3\n';
  content['/run/systemd/netif/links/3'] =
    `# This is private data. Do not parse.\nADMIN_STATE=${state}\nOPER_STATE=routable\n`;
};

test.each(['unmanaged', 'pending', 'initialized'])('networkd says "%s": fine', async (state) => {
  networkdSays(state);
  expect(await concerns()).toEqual([]);
});

test.each(['configuring', 'configured', 'failed'])(
  'networkd says "%s": it manages the device too, and what to install is said',
  async (state) => {
    networkdSays(state);
    const [said = '', ...more] = await concerns();
    expect(said).toContain(`systemd-networkd manages eth1 too (${state}): install 81-berth.rules`);
    expect(said).toContain('udevadm trigger /sys/class/net/eth1');
    expect(more).toEqual([]);
  },
);

test('files that cannot be read say nothing', async () => {
  deps = { ...deps, files: { ...systemFiles, readText: () => Promise.reject(new Error('EIO')) } };
  expect(await concerns()).toEqual([]);
});

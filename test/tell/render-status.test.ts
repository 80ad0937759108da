// The status for people, line by line.
import { stripVTControlCharacters } from 'node:util';
import { describe, expect, test } from 'vitest';
import type { Status } from '../../src/model/status.ts';
import { renderStatus } from '../../src/tell/render-status.ts';
import { statusWith } from '../fixtures/status.ts';

const full = statusWith({
  phase: 'ready',
  ready: true,
  readyAt: '2027-01-15T08:00:02.000Z',
  readyAfterMs: 2000,
  message: '10.0.1.50 of eni-1 is served on eth1',
  instanceId: 'i-1',
  config: {
    name: 'parameter /berth/config',
    version: 7,
    lastKnownGood: true,
    rejected: undefined,
    restartNeeded: [],
  },
  pools: [
    {
      pool: 'db',
      phase: 'ready',
      ready: true,
      message: '10.0.1.50 of eni-1 is served on eth1',
      eni: {
        eniId: 'eni-1',
        mac: '02:00:00:00:00:01',
        ipv4: ['10.0.1.50', '10.0.1.51'],
        ipv6: ['2001:db8::1'],
        device: 'eth1',
        table: 20001,
        routing: { picture: ['one', 'two'], commands: ['ip rule', 'ip route'] },
        epoch: 7,
      },
    },
  ],
  logs: {
    files: 2,
    eventsSent: 30,
    eventsRefused: 1,
    batchesSent: 4,
    bytesBehind: 512,
    bytesDropped: 0,
    lastError: 'cannot call logs:PutLogEvents',
  },
});

const plain = { inColour: false, withCommands: false };

describe('renderStatus', () => {
  test('what services of AWS were told', () => {
    const signals = [
      { to: 'cloudformation', state: 'told', message: 'stack web/Fleet: SUCCESS' },
      { to: 'launch-hook', state: 'failing', message: 'cannot tell hook up' },
    ] as const;
    const shown = renderStatus({ ...full, signals }, { ...plain, inColour: true });
    expect(shown).toContain('\u001B[32mstack web/Fleet: SUCCESS\u001B[0m');
    expect(shown).toContain('\u001B[31mcannot tell hook up\u001B[0m');
  });

  test('everything there is, aligned', () => {
    expect(renderStatus(full, plain)).toBe(
      [
        'state      ready  10.0.1.50 of eni-1 is served on eth1',
        'since      2027-01-15T08:00:02.000Z, 2000 ms after the start of the process',
        'instance   i-1',
        'config     parameter /berth/config version 7 (last good copy: Parameter Store did not answer)',
        'pool       db',
        'ENI        eni-1  02:00:00:00:00:01  eth1  epoch 7',
        'addresses  10.0.1.50 10.0.1.51 2001:db8::1',
        'routing    one',
        '           two',
        'logs       2 files, 30 events sent, 1 refused, 512 bytes behind',
        'log error  cannot call logs:PutLogEvents',
        'berth      1.2.3, process 77',
      ].join('\n'),
    );
  });

  test('with the commands where they are asked for', () => {
    expect(renderStatus(full, { ...plain, withCommands: true })).toContain(
      ['           two', 'commands   ip rule', '           ip route', 'logs '].join('\n'),
    );
  });

  test('what is not known yet has no line', () => {
    expect(renderStatus(statusWith(), plain)).toBe(
      [
        'state  claiming  claiming eni-1',
        'since  started 2027-01-15T08:00:00.000Z',
        'berth  1.2.3, process 77',
      ].join('\n'),
    );
  });

  const colours: readonly (readonly [Status['phase'], boolean, number])[] = [
    ['ready', true, 32],
    ['claiming', false, 33],
    ['failed', false, 31],
    ['lost', false, 31],
  ];
  test.each(colours)('%s has its colour, and the text stays the same', (phase, ready, colour) => {
    const status = { ...full, phase, ready };
    const inColour = renderStatus(status, { ...plain, inColour: true });
    expect(inColour).toContain(`\u001B[${colour}m${phase}\u001B[0m`);
    expect(stripVTControlCharacters(inColour)).toBe(renderStatus(status, plain));
  });
});

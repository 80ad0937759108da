// EMF documents: valid by CloudWatch's rules, whatever is put into them.
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { emfDocument, type EmfInput } from '../../src/ship/emf.ts';
import { emfProblems } from '../fixtures/emf-rules.ts';

const input = (change: Partial<EmfInput> = {}): EmfInput => ({
  namespace: 'CWAgent',
  timestampMs: 1_800_000_000_000,
  dimensions: { InstanceId: 'i-1', cpu: 'cpu0' },
  aggregations: [],
  resolution: 60,
  metrics: [{ name: 'cpu_usage_idle', unit: 'Percent', value: 99.123_456 }],
  ...change,
});

type Document = {
  readonly _aws: {
    readonly CloudWatchMetrics: readonly {
      readonly Dimensions: readonly (readonly string[])[];
      readonly Metrics: readonly unknown[];
    }[];
  };
};
const documentOf = (change: Partial<EmfInput>): Document =>
  JSON.parse(emfDocument(input(change))!) as Document;

describe('emfDocument', () => {
  test('has the metadata first, then the dimensions and the values', () => {
    expect(emfDocument(input())).toBe(
      '{"_aws":{"Timestamp":1800000000000,"CloudWatchMetrics":[{"Namespace":"CWAgent",' +
        '"Dimensions":[["InstanceId","cpu"]],"Metrics":[{"Name":"cpu_usage_idle","Unit":"Percent"}]}]},' +
        '"InstanceId":"i-1","cpu":"cpu0","cpu_usage_idle":99.1235}',
    );
  });

  test('says the high resolution, and no unit where there is none', () => {
    const metrics = [{ name: 'cpu_time_idle', unit: 'None', value: 1 }];
    expect(documentOf({ resolution: 1, metrics })._aws.CloudWatchMetrics[0]?.Metrics).toEqual([
      { Name: 'cpu_time_idle', StorageResolution: 1 },
    ]);
  });

  test('aggregates by the sets that it has all dimensions of, each once', () => {
    const aggregations = [['InstanceId'], ['path'], [], ['cpu', 'InstanceId'], ['InstanceId']];
    expect(documentOf({ aggregations })._aws.CloudWatchMetrics[0]?.Dimensions).toEqual([
      ['cpu', 'InstanceId'],
      ['InstanceId'],
      [],
    ]);
  });

  test('has at most 100 metrics in a directive', () => {
    const metrics = Array.from({ length: 201 }, (_, i) => ({
      name: `m${i}`,
      unit: 'Count',
      value: i,
    }));
    const { _aws } = documentOf({ metrics });
    expect(_aws.CloudWatchMetrics.map(({ Metrics }) => Metrics.length)).toEqual([100, 100, 1]);
  });

  test('leaves out what is no number or has the name of a dimension', () => {
    const metrics = [
      { name: 'a', unit: 'None', value: Number.NaN },
      { name: 'b', unit: 'None', value: Infinity },
      { name: 'cpu', unit: 'None', value: 1 },
    ];
    expect(emfDocument(input({ metrics }))).toBeUndefined();
    expect(emfDocument(input({ metrics: [] }))).toBeUndefined();
  });

  test('shows what CloudWatch takes of a dimension', () => {
    const dimensions = { a: '/mnt/müll', b: '\u3000', c: 'x'.repeat(2000) };
    expect(documentOf({ dimensions })).toMatchObject({
      a: '/mnt/m?ll',
      b: '?',
      c: 'x'.repeat(1024),
    });
    expect(documentOf({ dimensions: { a: ' ' } })).toMatchObject({ a: 'none' });
  });

  test('refuses over 30 dimensions', () => {
    const dimensions = Object.fromEntries(Array.from({ length: 31 }, (_, i) => [`d${i}`, 'x']));
    expect(() => emfDocument(input({ dimensions }))).toThrow('at most 30 dimensions, here are 31');
  });

  test('is valid for any numbers and names', () => {
    const text = fc.string({ minLength: 1, maxLength: 40 });
    const metric = fc.record({
      name: text,
      unit: fc.constantFrom('None', 'Bytes'),
      value: fc.double(),
    });
    fc.assert(
      fc.property(
        fc.array(metric, { maxLength: 250 }),
        fc.dictionary(text, text, { maxKeys: 30 }),
        fc.array(fc.array(text)),
        (metrics, dimensions, aggregations) => {
          const names = new Set(['_aws', '__proto__']);
          fc.pre(
            ![...Object.keys(dimensions), ...metrics.map(({ name }) => name)].some((n) =>
              names.has(n),
            ),
          );
          const document = emfDocument(input({ metrics, dimensions, aggregations }));
          expect(document === undefined ? [] : emfProblems(document)).toEqual([]);
        },
      ),
    );
  });
});

// Probes of Parameter Store: put, versions, labels, paths, limits.
import * as sdk from '@aws-sdk/client-ssm';
import type { Ground } from './probe-ground.ts';
import { answerOf, changing, found, reading, type Answer } from './probe.ts';

const put = (
  { ssm }: Pick<Ground, 'ssm'>,
  Name: string,
  input: Partial<sdk.PutParameterCommandInput> = {},
): Promise<Answer> =>
  answerOf(
    ssm.send(new sdk.PutParameterCommand({ Name, Value: 'v', Type: 'String', ...input })),
    ({ Version, Tier }) => ({ Version, Tier }),
  );

/** `marked`: the name of this run, which is left out of what is told. */
const get = ({ ssm }: Ground, Name: string, WithDecryption = false): Promise<Answer> =>
  answerOf(ssm.send(new sdk.GetParameterCommand({ Name, WithDecryption })), ({ Parameter }) => ({
    Type: Parameter!.Type,
    Value: Parameter!.Value,
    Version: Parameter!.Version,
    Selector: Parameter!.Selector,
  }));

const label = (
  { ssm }: Ground,
  Name: string,
  Labels: string[],
  ParameterVersion?: number,
): Promise<Answer> =>
  answerOf(
    ssm.send(new sdk.LabelParameterVersionCommand({ Name, Labels, ParameterVersion })),
    ({ InvalidLabels = [] }) => ({ InvalidLabels }),
  );

/** Three versions, the second with the label `good`. */
const versioned = async (ground: Ground): Promise<string> => {
  const name = ground.name();
  for (const Value of ['1', '2', '3']) await put(ground, name, { Value, Overwrite: true });
  await label(ground, name, ['good'], 2);
  return name;
};

/** Under a new path: a, b, c, deep/d. */
const tree = async (ground: Ground): Promise<string> => {
  const path = ground.name();
  for (const name of ['a', 'b', 'c', 'deep/d']) await put(ground, `${path}/${name}`);
  return path;
};

const byPath = (
  { ssm }: Ground,
  Path: string,
  input: Partial<sdk.GetParametersByPathCommandInput> = {},
): Promise<Answer> =>
  answerOf(
    ssm.send(new sdk.GetParametersByPathCommand({ Path, ...input })),
    ({ Parameters, NextToken }) => ({
      names: Parameters!.map(({ Name }) => Name!.slice(Path.length)).toSorted(),
      more: NextToken !== undefined,
    }),
  );

const reads = reading('ssm', {
  'get: an unknown one': (ground) => get(ground, '/berth-conformance/none'),
  'get several: an unknown one': ({ ssm }) =>
    answerOf(
      ssm.send(new sdk.GetParametersCommand({ Names: ['/berth-conformance/none'] })),
      ({ Parameters, InvalidParameters }) => ({ found: Parameters!.length, InvalidParameters }),
    ),
  'get several: 11': ({ ssm }) =>
    answerOf(
      ssm.send(
        new sdk.GetParametersCommand({
          Names: Array.from({ length: 11 }, (_, index) => `/berth-conformance/none-${index}`),
        }),
      ),
    ),
  'by path: an empty one': (ground) => byPath(ground, '/berth-conformance/none'),
  'by path: without a slash': (ground) => byPath(ground, 'berth-conformance'),
  'by path: 11 to a page': (ground) => byPath(ground, '/berth-conformance', { MaxResults: 11 }),
  'by path: a bad NextToken': (ground) =>
    byPath(ground, '/berth-conformance/none', { NextToken: 'nonsense' }),
  'label: an unknown one': (ground) => label(ground, '/berth-conformance/none', ['good']),
});

const changes = changing('ssm', {
  'put: a new one': (ground) => put(ground, ground.name()),
  'put: again': async (ground) => {
    const name = ground.name();
    await put(ground, name);
    return put(ground, name);
  },
  'put: over it': async (ground) => {
    const name = ground.name();
    await put(ground, name);
    return put(ground, name, { Overwrite: true });
  },
  'put: an empty value': (ground) => put(ground, ground.name(), { Value: '' }),
  'put: without a type': (ground) => put(ground, ground.name(), { Type: undefined }),
  'put: 4096 characters': (ground) => put(ground, ground.name(), { Value: 'x'.repeat(4096) }),
  'put: 4097 characters': (ground) => put(ground, ground.name(), { Value: 'x'.repeat(4097) }),
  'put: 8193 characters, advanced': (ground) =>
    put(ground, ground.name(), { Value: 'x'.repeat(8193), Tier: 'Advanced' }),
  'put: a name with a space': (ground) => put(ground, `${ground.name()} x`),
  'put: a name that begins with aws': (ground) => put(ground, `/aws${ground.name()}`),
  'put: a name with a slash that does not begin with one': (ground) =>
    put(ground, ground.name().slice(1)),
  'put: version 101, while the first has a label and without it': async (ground) => {
    const name = ground.name();
    await put(ground, name);
    await label(ground, name, ['kept'], 1);
    for (let version = 2; version <= 100; version++) await put(ground, name, { Overwrite: true });
    const refused = await put(ground, name, { Overwrite: true });
    await label(ground, name, ['kept'], 2);
    const last = await put(ground, name, { Overwrite: true });
    const first = await get(ground, `${name}:1`);
    return found([refused, last, first].map(({ said }) => said));
  },
  'get: the latest': async (ground) => get(ground, await versioned(ground)),
  'get: by version': async (ground) => get(ground, `${await versioned(ground)}:1`),
  'get: by label': async (ground) => get(ground, `${await versioned(ground)}:good`),
  'get: an unknown version': async (ground) => get(ground, `${await versioned(ground)}:9`),
  'get: an unknown label': async (ground) => get(ground, `${await versioned(ground)}:bad`),
  'get: by ARN': async (ground) => {
    const Name = await versioned(ground);
    const { Parameter } = await ground.ssm.send(new sdk.GetParameterCommand({ Name }));
    return get(ground, Parameter!.ARN!);
  },
  'get several: one of two': async (ground) => {
    const name = await versioned(ground);
    return answerOf(
      ground.ssm.send(new sdk.GetParametersCommand({ Names: [name, `${name}-none`] })),
      (answer) => [answer.Parameters!.length, answer.InvalidParameters?.length ?? 0],
    );
  },
  'get: a secure string, closed': async (ground) => {
    const name = ground.name();
    await put(ground, name, { Value: 'hush', Type: 'SecureString' });
    const { Parameter } = await ground.ssm.send(new sdk.GetParameterCommand({ Name: name }));
    return found({ plain: Parameter!.Value === 'hush' });
  },
  'get: a secure string, decrypted': async (ground) => {
    const name = ground.name();
    await put(ground, name, { Value: 'hush', Type: 'SecureString' });
    return get(ground, name, true);
  },
  'label: moves': async (ground) => {
    const name = await versioned(ground);
    await label(ground, name, ['good']);
    return get(ground, `${name}:good`);
  },
  'label: not a label': async (ground) =>
    label(ground, await versioned(ground), ['aws-one', '1st', 'fine']),
  'label: 11': async (ground) =>
    label(
      ground,
      await versioned(ground),
      Array.from({ length: 11 }, (_, index) => `l${index}`),
    ),
  'label: an unknown version': async (ground) => label(ground, await versioned(ground), ['x'], 9),
  'by path: one level': async (ground) => byPath(ground, await tree(ground)),
  'by path: all levels': async (ground) => byPath(ground, await tree(ground), { Recursive: true }),
  'by path: a page of 2': async (ground) => {
    const path = await tree(ground);
    return answerOf(
      ground.ssm.send(new sdk.GetParametersByPathCommand({ Path: path, MaxResults: 2 })),
      ({ Parameters, NextToken }) => [Parameters!.length, NextToken !== undefined],
    );
  },
  'by path: all pages': async (ground) => {
    const path = await tree(ground);
    const names: string[] = [];
    const pages = sdk.paginateGetParametersByPath(
      { client: ground.ssm },
      { Path: path, MaxResults: 1, Recursive: true },
    );
    for await (const page of pages) {
      names.push(...page.Parameters!.map(({ Name }) => Name!.slice(path.length)));
    }
    return found(names.toSorted());
  },
});

export const ssmProbes = [...reads, ...changes];

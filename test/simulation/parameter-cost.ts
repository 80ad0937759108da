// What a fleet costs in Parameter Store, where GetParameter, GetParameters and GetParametersByPath of an account and Region
// share 40 calls a second, 3,000 where higher throughput is paid for (boot.md section 4). Arithmetic, no simulation.

const sharedPerSecond = 40;
const paidPerSecond = 3_000;
/** By default, see `reload.everySeconds`: 600 to 1,200. */
const pollSeconds = 900;

/** By what an instance asks for at once. */
const kinds = [
  ['one parameter', 1],
  ['and up to 10 references', 2],
  ['and up to 10 secrets', 3],
] as const;

/** A table with its heading. */
export function parameterCost(instances: number): readonly (readonly string[])[] {
  const columns = kinds.map(([kind, calls]) => {
    const perSecond = (instances * calls) / pollSeconds;
    return [
      kind,
      `${Math.ceil((instances * calls) / sharedPerSecond)} s`,
      `${perSecond.toFixed(0)} a second`,
      `${(perSecond / sharedPerSecond).toFixed(1)} x`,
      `${((perSecond / paidPerSecond) * 100).toFixed(1)} %`,
      `${Math.ceil((2 * instances * calls) / sharedPerSecond)} s`,
    ];
  });
  const labels = [
    `${instances} instances`,
    'a boot of all takes at least',
    `a poll every ${pollSeconds} s is`,
    `  of the ${sharedPerSecond} a second`,
    `  of the ${paidPerSecond} a second`,
    'a poll takes half of the 40 every',
  ];
  return labels.map((label, row) => [label, ...columns.map((column) => column[row]!)]);
}

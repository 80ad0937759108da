// What CloudWatch Logs says to the entity of a PutLogEvents call; the events are kept all the same.

/** The types that AWS documents; which error a mistake gets is a reading of their names, not confirmed. */
const types = ['Service', 'RemoteService', 'AWS::Service', 'AWS::Resource', 'Resource'];

/** `rejectedEntityInfo`, or undefined for a good entity and for none. */
export function rejectedEntity(entity: unknown): { readonly errorType: string } | undefined {
  if (entity === undefined) return undefined;
  const { keyAttributes } = entity as { keyAttributes?: Readonly<Record<string, string>> };
  const type = keyAttributes?.['Type'];
  if (keyAttributes === undefined || type === undefined) {
    return { errorType: 'MissingRequiredFields' };
  }
  return types.includes(type) ? undefined : { errorType: 'InvalidTypeValue' };
}

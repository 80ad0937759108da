// Loaded before a daemon (`--expose-internals --import`): when that says ready, this writes to standard error which of
// Node's own modules were compiled anew, since V8 refused the code that Node brings of them.
import { createRequire } from 'node:module';

type Builtins = { getCacheUsage(): { readonly compiledWithoutCache: ReadonlySet<string> } };
type Binding = { readonly internalBinding: (name: 'builtins') => Builtins };

const { internalBinding } = createRequire(import.meta.url)('internal/test/binding') as Binding;
const write: (text: string) => boolean = process.stdout.write.bind(process.stdout);
process.stdout.write = (line: unknown) => {
  const text = String(line);
  if (text.includes('"phase":"ready"')) {
    const { compiledWithoutCache } = internalBinding('builtins').getCacheUsage();
    process.stderr.write(`compiled anew: ${JSON.stringify([...compiledWithoutCache])}\n`);
  }
  return write(text);
};

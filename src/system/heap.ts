// How fast V8 lets the heap of a daemon grow.

/** Before V8 looks for garbage again. By itself it lets a small heap become several times as large. */
const growth = '--heap-growing-percent=30';

/**
 * For the rest of the process, and once the boot is over: V8 takes no code that was made under other flags, that of Node's own
 * modules neither, and what is loaded later is compiled anew.
 */
export function growSlowly(): void {
  process.getBuiltinModule('node:v8').setFlagsFromString(growth);
}

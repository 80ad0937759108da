// Where the files of systemd/ are installed, by their names. Pure.

/** `.sysusers` and `.tmpfiles` are not in the installed name. The first that fits. */
const places = [
  [/^(.+)\.sysusers(\.conf)$/, 'usr/lib/sysusers.d'],
  [/^(.+)\.tmpfiles(\.conf)$/, 'usr/lib/tmpfiles.d'],
  [/^(.+)(\.(?:service|target|socket|path|timer))$/, 'usr/lib/systemd/system'],
  [/^(.+)(\.preset)$/, 'usr/lib/systemd/system-preset'],
  [/^(.+)(\.(?:network|link))$/, 'usr/lib/systemd/network'],
  [/^(.+)(\.rules)$/, 'usr/lib/udev/rules.d'],
] as const;

/** Throws for a file that has no known place, so that none is forgotten. */
export function systemdPlace(name: string): string {
  for (const [pattern, folder] of places) {
    if (pattern.test(name)) return name.replace(pattern, `${folder}/$1$2`);
  }
  throw new Error(`cannot tell where systemd/${name} is installed: name its place here`);
}

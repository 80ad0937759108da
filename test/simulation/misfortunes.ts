// What befalls an instance or an ENI besides lost calls: crashes, reboots, and people with a console.
import { tagKeys } from '../../src/claim/tags.ts';
import type { LabEni } from '../lab/ec2-world.ts';
import { AwsFault } from '../lab/service.ts';
import { changed, kill, powerOff, powerOn, restart, start, type Host } from './host.ts';
import { misfortunes, type Misfortune } from './plan.ts';
import { addEni, later, poolTags, type World } from './world.ts';

/** Of each host, one after the other, until the faults end. */
export function letFateWork(world: World): void {
  const { plan, fate, time } = world;
  const kinds = misfortunes.filter((name) => plan.misfortunes[name] > 0);
  const sum = kinds.reduce((total, name) => total + plan.misfortunes[name], 0);
  const drawKind = (): Misfortune => {
    let left = fate.upTo(sum);
    return kinds.find((name) => (left -= plan.misfortunes[name]) < 0) ?? kinds[0]!;
  };
  const next = (host: Host): void => {
    time.after(plan.misfortuneEveryMs * fate.between(0.2, 1.8), () => {
      if (world.isCalm || host.isGone) return;
      befall(world, host, drawKind());
      next(host);
    });
  };
  if (kinds.length > 0) for (const host of world.hosts) next(host);
  const { outageMs } = plan.calls;
  if (outageMs > 0) {
    time.after(fate.upTo(plan.safetyMs), () => (world.outageUntilMs = time.nowMs() + outageMs));
  }
}

function befall(world: World, host: Host, name: Misfortune): void {
  try {
    const eniId = deeds[name](world, host);
    if (eniId === false) return;
    world.tell({ what: 'misfortune', name, host, eniId: eniId || undefined });
  } catch (error) {
    // EC2 refuses people too.
    if (!(error instanceof AwsFault)) throw error;
  }
}

/** Returns the ENI that it was about, if any; false: there was nothing to do it to. */
const deeds: Readonly<Record<Misfortune, (world: World, host: Host) => string | false | void>> = {
  crash: (_world, host) => kill(host, 'killed'),
  restart: (_world, host) => restart(host),
  reboot: (world, host) => {
    if (!host.isUp) return false;
    powerOff(host, 'reboot');
    later(world, world.fate.between(3_000, 20_000), () => {
      if (world.model.instance(host.instanceId)?.state === 'running') powerOn(host);
    });
    return undefined;
  },
  'stop-start': (world, host) => {
    if (world.model.instance(host.instanceId)?.state !== 'running') return false;
    world.model.stop(host.instanceId);
    startLater(world, host);
    return undefined;
  },
  terminate: (world, host) => void world.model.terminate(host.instanceId),
  'wall-clock': (world, host) => {
    host.wallClock.offsetMs += world.fate.between(-3_600_000, 3_600_000);
  },
  'routes-flushed': (_world, host) => {
    host.routes.clear();
    changed(host);
  },
  impaired: (world, host) => {
    if (world.model.instance(host.instanceId)?.state !== 'running') return false;
    host.isHung = true;
    if (world.fate.chance(0.5)) world.model.setHealth(host.instanceId, 'impaired');
    later(world, world.fate.upTo(60_000), () => recover(world, host));
    return undefined;
  },
  'index-taken': (world, host) => {
    const { eniId } = addEni(world, world.subnet.subnetId, {});
    return attach(world, host, eniId, 1);
  },
  'eni-deleted': (world) => {
    const { model } = world;
    const eni = pickEni(world, ({ status }) => status === 'available');
    if (eni === undefined) return false;
    model.deleteEni(eni.eniId);
    later(world, world.fate.upTo(60_000), () => {
      addEni(world, world.subnet.subnetId, poolTags(world, world.enis));
    });
    return eni.eniId;
  },
  'owner-deleted': (world) => {
    const eni = pickEni(world, ({ tags }) => tags[tagKeys.owner] !== undefined);
    if (eni === undefined) return false;
    world.model.deleteTags([eni.eniId], [{ key: tagKeys.owner, value: undefined }]);
    return meddle(world, eni, 'owner-deleted');
  },
  'owner-overwritten': (world) => {
    const eni = pickEni(world, () => true);
    if (eni === undefined) return false;
    const isOfFleet = world.fate.chance(0.5);
    const owner = isOfFleet ? world.fate.pick(world.hosts).arn : `${world.hosts[0]!.arn}ffff`;
    world.model.createTags([eni.eniId], { [tagKeys.owner]: owner });
    return meddle(world, eni, 'owner-overwritten');
  },
  'claim-overwritten': (world) => {
    const eni = pickEni(world, () => true);
    if (eni === undefined) return false;
    world.model.createTags([eni.eniId], { [tagKeys.claim]: 'not a claim' });
    return meddle(world, eni, 'claim-overwritten');
  },
  'delete-on-termination': (world) => {
    const eni = pickEni(world, ({ attachment }) => attachment?.status === 'attached');
    if (eni === undefined) return false;
    const { attachmentId } = eni.attachment!;
    world.model.modifyEni(eni.eniId, { attachmentId, deleteOnTermination: true });
    return meddle(world, eni, 'delete-on-termination');
  },
  detached: (world) => {
    const eni = pickEni(world, ({ attachment }) => attachment?.status === 'attached');
    if (eni === undefined) return false;
    world.model.detach(eni.attachment!.attachmentId);
    return meddle(world, eni, 'detached');
  },
  'attached-elsewhere': (world, host) => {
    const eni = pickEni(world, ({ status }) => status === 'available');
    if (eni === undefined) return false;
    meddle(world, eni, 'attached-elsewhere');
    return attach(world, host, eni.eniId, 1 + world.fate.int(2));
  },
};

function attach(world: World, host: Host, eniId: string, deviceIndex: number): string {
  const { instanceId } = host;
  const place = { deviceIndex, networkCardIndex: 0 };
  const { attachmentId } = world.model.attach({ eniId, instanceId, ...place });
  world.byPerson.add(attachmentId);
  return eniId;
}

function meddle(world: World, { eniId }: LabEni, how: Misfortune): string {
  world.meddled.set(eniId, (world.meddled.get(eniId) ?? new Set()).add(how));
  return eniId;
}

function pickEni(world: World, wanted: (eni: LabEni) => boolean): LabEni | undefined {
  const { model, fate } = world;
  const found = model.enis().filter((eni) => eni.tags[tagKeys.pool] !== undefined && wanted(eni));
  return found.length === 0 ? undefined : fate.pick(found);
}

function startLater(world: World, host: Host): void {
  later(world, world.fate.between(1_000, 60_000), () => {
    if (host.isGone) return;
    const { state } = world.model.instance(host.instanceId)!;
    if (state === 'stopped') world.model.start(host.instanceId);
    else if (state === 'stopping') startLater(world, host);
  });
}

function recover(world: World, host: Host): void {
  host.isHung = false;
  if (!host.isGone && world.model.instance(host.instanceId)?.health === 'impaired') {
    world.model.setHealth(host.instanceId, 'ok');
  }
}

/** The faults end; what they left half done, AWS and the people bring to an end. */
export function calm(world: World): void {
  const { model, hosts, time } = world;
  world.isCalm = true;
  world.calmAtMs = time.nowMs();
  Object.assign(model.dials, {
    authorizationLagMs: 0,
    attachStuck: 0,
    detachStuck: 0,
    deviceNever: 0,
    tagWriteMs: 0,
  });
  world.tell({ what: 'calm' });
  for (const { eniId, attachment, tags } of model.enis()) {
    // IAM lets its holder neither use nor return it.
    const holder = hosts.find(({ instanceId }) => instanceId === attachment?.instanceId);
    // Who lives takes its name off by itself, unless it gives up before that.
    const isStrange =
      hosts.every(({ arn, isGone }) => isGone || arn !== tags[tagKeys.owner]) ||
      (world.plan.waitMs !== undefined && holder?.arn !== tags[tagKeys.owner]);
    if (attachment !== undefined && isStrange) {
      model.deleteTags([eniId], [{ key: tagKeys.owner, value: undefined }]);
    }
    if (attachment?.status === 'detaching') model.detach(attachment.attachmentId, true);
    if (attachment !== undefined && world.byPerson.has(attachment.attachmentId)) {
      if (model.eni(eniId)?.tags[tagKeys.pool] === undefined) {
        model.detach(attachment.attachmentId, true);
      }
    }
  }
  for (const host of hosts) {
    recover(world, host);
    if (host.isGone) continue;
    const { state } = model.instance(host.instanceId)!;
    if (state === 'stopped') model.start(host.instanceId);
    if (state === 'running' && host.isUp) start(host);
  }
}

// One host of the local VPC: its namespace, and the agent that acts inside it (started when first needed).
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { AgentCommand, AgentReply, AgentRequest } from './host-agent.ts';
import { execPrefix, ipBatch } from './namespace.ts';

export type Host = AsyncDisposable & {
  readonly name: string;
  /** Lets the agent inside do something. Throws what it throws, with its errno code. */
  ask(command: AgentCommand): Promise<unknown>;
};

export async function createHost(name: string): Promise<Host> {
  await ipBatch([`netns add ${name}`]);
  await ipBatch(['link set dev lo up'], name);
  let agent: Agent | undefined;
  return {
    name,
    ask: (command) => (agent ??= startAgent(name)).ask(command),
    [Symbol.asyncDispose]: async () => {
      await agent?.stop();
      await ipBatch([`netns delete ${name}`]);
    },
  };
}

type Agent = {
  ask(command: AgentCommand): Promise<unknown>;
  stop(): Promise<void>;
};

function startAgent(name: string): Agent {
  const [file, ...args] = execPrefix(name);
  const script = join(import.meta.dirname, 'host-agent.ts');
  const child = spawn(file, [...args, process.execPath, '--no-warnings', script], {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    env: { PATH: process.env['PATH'] },
  });
  const exited = once(child, 'exit');
  // It must not keep a test or the demo alive that forgot it.
  child.unref();
  child.channel?.unref();
  return { ask: createAsk(name, child), stop: () => stop(child, exited) };
}

function createAsk(name: string, child: ChildProcess): Agent['ask'] {
  const waiting = new Map<number, PromiseWithResolvers<unknown>>();
  let lastId = 0;
  child.on('message', (reply: AgentReply) => {
    const asked = waiting.get(reply.id);
    waiting.delete(reply.id);
    if (waiting.size === 0) child.channel?.unref();
    if ('error' in reply) {
      asked?.reject(Object.assign(new Error(reply.error), { code: reply.code }));
    } else asked?.resolve(reply.value);
  });
  child.on('exit', () => {
    for (const asked of waiting.values()) {
      asked.reject(new Error(`cannot ask host ${name}: its agent has ended`));
    }
    waiting.clear();
  });
  return (command) => {
    const id = ++lastId;
    const asked = Promise.withResolvers<unknown>();
    waiting.set(id, asked);
    child.channel?.ref();
    child.send({ id, command } satisfies AgentRequest, (error) => {
      if (error !== null) asked.reject(error);
    });
    return asked.promise;
  };
}

async function stop(child: ChildProcess, exited: Promise<unknown>): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.ref();
  child.kill('SIGKILL');
  await exited;
}

// Asked in the background, one at a time, and never waited for.
import { expect, test } from 'vitest';
import { createQuestion } from '../../src/system/question.ts';
import { createFakeClock } from '../fakes/clock.ts';

const soon = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test('the answer comes with a later call, once, and somebody is told', async () => {
  const clock = createFakeClock();
  let told = 0;
  const question = createQuestion(
    { clock },
    { firstMs: 1_000, everyMs: 1_000 },
    () => told++,
    async () => 'yes',
  );
  expect(question.ask()).toBeUndefined();
  clock.advance(1_000);
  expect(question.ask()).toBeUndefined();
  await soon();
  expect(told).toBe(1);
  expect(question.ask()).toBe('yes');
  expect(question.ask()).toBeUndefined();
});

test('a slow question is not asked again meanwhile', async () => {
  const clock = createFakeClock();
  const answers: ((answer: string) => void)[] = [];
  const question = createQuestion(
    { clock },
    { firstMs: 1_000, everyMs: 1_000 },
    () => undefined,
    () => new Promise<string>((resolve) => answers.push(resolve)),
  );
  for (let second = 0; second < 5; second++) {
    clock.advance(1_000);
    expect(question.ask()).toBeUndefined();
  }
  expect(answers).toHaveLength(1);
  answers[0]!('late');
  await soon();
  expect(question.ask()).toBe('late');
  // It is time for the next one long since.
  expect(answers).toHaveLength(2);
});

test('one that fails has no answer, and is asked again in its time', async () => {
  const clock = createFakeClock();
  let times = 0;
  const question = createQuestion(
    { clock },
    { firstMs: 1_000, everyMs: 1_000 },
    () => undefined,
    async () => {
      if (++times === 1) throw new Error('no');
      return times;
    },
  );
  clock.advance(1_000);
  question.ask();
  await soon();
  expect(question.ask()).toBeUndefined();
  clock.advance(1_000);
  question.ask();
  await soon();
  expect(question.ask()).toBe(2);
});

test('the first one may come at once', () => {
  let asked = 0;
  const question = createQuestion(
    { clock: createFakeClock() },
    { firstMs: 0, everyMs: 1_000 },
    () => undefined,
    async () => asked++,
  );
  question.ask();
  question.ask();
  expect(asked).toBe(1);
});

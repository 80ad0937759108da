// What the stories of the SDK's clients assert: errors as the SDK throws them, and what a paginator gives.
import { expect } from 'vitest';

/** An error of the SDK with this name, text and status. */
export const refused = (
  [name, message]: readonly [string, string],
  httpStatusCode = 400,
): unknown =>
  expect.objectContaining({
    name,
    message,
    $metadata: expect.objectContaining({ httpStatusCode, attempts: 1 }),
  });

/** The values of all pages of a paginator, page by page. */
export async function pagesOf<Page, Item>(
  paginator: AsyncIterable<Page>,
  itemsOf: (page: Page) => readonly Item[] | undefined,
): Promise<readonly (readonly Item[])[]> {
  const pages: (readonly Item[])[] = [];
  for await (const page of paginator) pages.push(itemsOf(page) ?? []);
  return pages;
}

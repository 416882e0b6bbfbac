// For each line on stdin, calls one method of @gitbeaker/rest, and prints a line with what it gives, or the
// error it throws, as JSON.
// {"$blob": path} stands for a Blob of that file; a body that is no JSON is written to the file `into`.

import { readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { createInterface } from "node:readline";
import { Gitlab, GitbeakerRequestError } from "@gitbeaker/rest";

const revive = (_key, value) => (value?.$blob ? new Blob([readFileSync(value.$blob)]) : value);

async function called({ client, resource, method, words, into }) {
  // By itself it waits after six calls of an export's status in a minute.
  const api = new Gitlab({ rateLimits: { "**": 3000 }, ...client });
  const value = await api[resource][method](...words);
  if (!into) return value;
  await writeFile(into, value instanceof Blob ? value.stream() : value);
  return value.constructor.name;
}

function told(error) {
  if (!(error instanceof GitbeakerRequestError)) throw error;
  const { description, response } = error.cause;
  return { message: error.message, description, status: response.status };
}

for await (const line of createInterface({ input: process.stdin })) {
  const answer = await called(JSON.parse(line, revive)).then(
    (value) => ({ value }),
    (error) => ({ error: told(error) }),
  );
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}

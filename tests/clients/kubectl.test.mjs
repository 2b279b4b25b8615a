// The real kubectl, over TLS, and the lab's own one, in a terminal of an equal world, are told the same lines: they print
// the same and end with the same status.
//
// `commands.txt` has the lines. What no two worlds have in common is hidden by MASKS; what else may differ is said there,
// line by line. Whatever differs beyond that is a bug, of the lab's kubectl or of its API server.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { cpSync, existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { folder, kubectlIsMissing, LAB, root, serve, WORLD } from './harness.mjs';

/** Fewer recorded commands than this are not enough. */
const RECORDED_MIN = 100;
const sources = [join(root, 'tests/testdata/k8s/kubectl/files'), join(root, 'tests/clients/files')];

test('the real kubectl and the one in the terminal do and say the same', { skip: kubectlIsMissing() }, async (t) => {
  const commands = readCommands();
  const recorded = commands.filter(({ name }) => name !== '-').length;
  assert.ok(recorded >= RECORDED_MIN, `${recorded} recorded commands`);
  const home = folder(t);
  const { environment: theirs } = await serve(t, home);
  const ours = terminal(commands.map(({ line }) => line));
  const real = [];
  for (const { line } of commands) real.push(await bash(line, home, theirs));
  const typed = await ours;
  const differences = [];
  commands.forEach(({ name, line }, place) => {
    const [a, b] = [mask(real[place]), mask(typed[place])];
    if (DIFFER.has(line)) {
      if (a === b) differences.push(`${line} is said to differ (${DIFFER.get(line)}) and does not`);
    } else if (a !== b) {
      differences.push(`${name}: ${line}\n${contrast(a, b)}`);
    }
  });
  t.diagnostic(`${commands.length} commands, ${recorded} of them recorded ones, ${differences.length} differ`);
  assert.equal(differences.length, 0, `\n${differences.join('\n\n')}`);
});

function readCommands() {
  const lines = readFileSync(join(root, 'tests/clients/commands.txt'), 'utf8').split('\n');
  return lines.filter((line) => line && !line.startsWith('#')).map((line) => {
    const [, name, command] = /^([\w.-]+) ?: (.*)$/.exec(line) ?? assert.fail(`no command: ${line}`);
    return { name, line: command };
  });
}

/** Runs a line as the terminal does, in a folder of its own: { status, stdout, stderr }. */
async function bash(line, home, environment) {
  for (const source of sources) cpSync(source, home, { recursive: true });
  return run('bash', ['-c', line], { cwd: home, env: environment });
}

/** What a terminal of the world prints for each line. */
async function terminal(lines) {
  const files = sources.flatMap((source) => readdirSync(source).map((name) => [name, readFileSync(join(source, name), 'utf8')]));
  const written = files.map(([name, text]) => `printf '%s' ${quote(text)} > ${name}`);
  // The server has begun when it says so.
  const before = ['sleep 5', ...written];
  const { stdout, stderr, status } = await run(LAB, ['run', ...WORLD, '--json', ...before, ...lines]);
  assert.equal(status, 0, stderr);
  const printed = stdout.trim().split('\n').map((text) => JSON.parse(text));
  printed.splice(0, before.length).forEach((piece) => assert.equal(piece.status, 0, JSON.stringify(piece)));
  return printed;
}

function quote(text) {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

function run(program, words, options = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(program, words, { stdio: ['ignore', 'pipe', 'pipe'], ...options });
    const said = { stdout: '', stderr: '' };
    for (const stream of ['stdout', 'stderr']) child[stream].setEncoding('utf8').on('data', (text) => { said[stream] += text; });
    child.on('error', reject);
    child.on('close', (status) => resolve({ ...said, status }));
  });
}

/** Lines whose output is known to differ, and why. */
const DIFFER = new Map([
  ['kubectl describe csr csr1', 'the lab reads no certificate requests, so it knows no Subject'],
]);

const MASKS = [
  // Moments, and what is counted from them: one world lives by the clock on the wall, the other as fast as it can.
  [/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z/g, 'TIME'],
  [/\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+ [+-]\d{4}/g, 'TIME'],
  [/\b\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d [+-]\d{4}/g, 'TIME'],
  // Who made it, how often it was changed, and when.
  [/\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b/g, 'UID'],
  [/("?resourceVersion"?: *)"\d+"/g, '$1"RV"'],
  [/(Resource Version: +)\d+/g, '$1RV'],
  // Names that end in what chance gave them.
  [/\b(kube-api-access|debugger)-\w{5}\b/g, '$1-NAME'],
  [/\beyJ[\w-]+\.[\w-]+\.[\w-]+/g, 'TOKEN'],
  [/\S+\/(LIVE|MERGED)-\d+/g, '$1'],
  // Where the server is. In the lab nothing is encrypted on the wire, so nobody needs an authority.
  [/^ *certificate-authority-data: DATA\+OMITTED\n/gm, ''],
  [/https:\/\/(127\.0\.0\.1|[\w-]+):\d+/g, 'SERVER'],
];

function mask({ status, stdout, stderr }) {
  const hidden = (text) => ages(MASKS.reduce((text, [pattern, by]) => text.replace(pattern, by), text));
  return `exit ${status}\n${hidden(stdout)}--- stderr\n${hidden(stderr)}`;
}

/** Ages in tables, with the room that is left for them. */
function ages(text) {
  if (!/\b(AGE|Age|LAST SEEN|SUBOBJECT)\b/.test(text)) return text;
  return text.replace(/\b(AGE|Age|LAST SEEN)( +|$)/gm, '$1 ').replace(/(^| )(<invalid>|(\d+[smhdy]){1,2})( +|$)/gm, '$1age ');
}

/** The lines of two texts that differ, with a few around them. */
function contrast(a, b) {
  const [real, own] = [a.split('\n'), b.split('\n')];
  let [first, end] = [0, 0];
  while (first < real.length && real[first] === own[first]) first += 1;
  while (end < Math.min(real.length, own.length) - first && real.at(-1 - end) === own.at(-1 - end)) end += 1;
  const part = (lines, sign) => lines.slice(Math.max(0, first - 2), lines.length - end + 1).slice(0, 40).map((line) => `  ${sign} ${line}`);
  return [...part(real, 'real'), ...part(own, 'ours')].join('\n');
}

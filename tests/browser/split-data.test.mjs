// Which data goes with which file, on a module small enough to write down. No browser: Node runs WebAssembly as well.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { linked } from '../../tools/split/linked.mjs';
import { split } from '../../tools/split/split.mjs';
import * as wasm from '../../tools/split/wasm.mjs';

// near: the address of a word, which holds the address of TEXT; far: two more texts; touched: data that code may change.
const POINTER = 1024, TEXT = 1028, FAR = 1040, PADDED = 1056, TOUCHED = 1072;
const SYMBOLS = [
  { segment: 0, offset: 0, size: 4 }, { segment: 0, offset: 4, size: 8 }, { segment: 0, offset: 16, size: 8 }, { segment: 0, offset: 32, size: 8 },
  { segment: 1, offset: 0, size: 4 },
];
const CONST = 0x41, END = 0x0b, LOAD = [0x28, 2, 0];
/** An i32.const as a linker writes it: five bytes, whatever the number. */
const wide = (value) => [0, 7, 14, 21, 28].map((shift, place) => ((value >> shift) & 0x7f) | (place < 4 ? 0x80 : 0));
const u32 = (value) => wasm.u32(value);

/** The module, with what the linker says about it unless `plain`. */
function built({ plain = false, nearAddress = POINTER, text = 'near it ', plainNumber = 0 } = {}) {
  const bodies = [
    [0, CONST, wide(nearAddress), LOAD, LOAD, END],
    [0, CONST, wide(FAR), LOAD, END],
    // Through the place of `far` in the table.
    [0, CONST, wide(1), 0x11, 0, 0, CONST, wasm.i32(plainNumber), 0x1a, END],
  ].map((body) => wasm.sized(wasm.join(...body)));
  const segments = [
    { offset: POINTER, bytes: wasm.join(Buffer.from(new Uint32Array([TEXT]).buffer), Buffer.from(text), [0, 0, 0, 0], Buffer.from('far away'), Array(8).fill(0), Buffer.from('nobody’s').subarray(0, 8)) },
    { offset: TOUCHED, bytes: Buffer.from('mine') },
  ];
  const exported = ['near', 'far', 'through'].map((name, index) => wasm.encodeExport({ name, kind: wasm.KIND.func, index }));
  const names = wasm.join(wasm.name('name'), 1, wasm.sized(wasm.list(['near', 'far', 'through'].map((name, index) => wasm.join(u32(index), wasm.name(name))))));
  const sections = [
    [wasm.TYPE, wasm.encodeTypes([{ params: [], results: [0x7f] }])],
    [wasm.FUNCTION, wasm.list(bodies.map(() => u32(0)))],
    [wasm.TABLE, wasm.list([wasm.join(0x70, 0, u32(2))])],
    [wasm.MEMORY, wasm.list([wasm.join(0, u32(1))])],
    [wasm.EXPORT, wasm.list([...exported, wasm.encodeExport({ name: 'memory', kind: wasm.KIND.memory, index: 0 })])],
    [wasm.ELEMENT, wasm.list([wasm.encodeElement({ offset: 1, functions: [1] })])],
    [wasm.CODE, wasm.list(bodies)],
    [wasm.DATA, wasm.list(segments.map(wasm.encodeData))],
    [0, names],
  ];
  if (plain) return wasm.module(sections);
  // Places in sections: a body begins with its length, its locals and the opcode; a segment has five bytes before its own.
  const placeIn = (index) => 1 + bodies.slice(0, index).reduce((sum, body) => sum + body.length, 0) + 3;
  const symbol = ({ segment, offset, size }, index) => wasm.join(1, 2, wasm.name(`s${index}`), u32(segment), u32(offset), u32(size));
  const info = [['.rodata', 2, 0], ['.data', 2, 0]].map(([name, align, flags]) => wasm.join(wasm.name(name), align, flags));
  const linking = wasm.join(wasm.name('linking'), 2, 5, wasm.sized(wasm.list(info)), 8, wasm.sized(wasm.list([...SYMBOLS.map(symbol), wasm.join(0, 0, u32(1), wasm.name('far'))])));
  const code = [[4, placeIn(0), 0, 0], [4, placeIn(1), 2, 0], [1, placeIn(2), SYMBOLS.length]].map(([kind, place, index, ...addend]) => wasm.join(kind, u32(place), u32(index), addend));
  const data = wasm.join(5, u32(1 + 6), u32(1), 0);
  return wasm.module([...sections, [0, linking],
    [0, wasm.join(wasm.name('reloc.CODE'), 6, wasm.list(code))], [0, wasm.join(wasm.name('reloc.DATA'), 7, wasm.list([data]))]]);
}

async function run(parts) {
  const calls = [];
  const first = (await WebAssembly.instantiate(parts.first, { rest: { load: () => calls.push('load') && arrive() } })).instance.exports;
  const arrive = () => {
    new WebAssembly.Instance(new WebAssembly.Module(parts.rest), { first });
    first.rest_ready.value = 1;
  };
  const text = (address) => Buffer.from(first.memory.buffer, address, 8).toString();
  return { first, calls, text, arrive };
}

const NOTHING = '\0'.repeat(8);

test('data goes with the only file that refers to it', async () => {
  const { first, calls, text } = await run(split(built(), (name) => name === 'near', built()));
  assert.equal(text(TEXT), 'near it ', 'what an address in kept data leads to is kept');
  assert.deepEqual([text(FAR), text(PADDED)], [NOTHING, NOTHING]);
  assert.equal(text(TOUCHED).slice(0, 4), 'mine', 'what may be written to never moves');
  assert.equal(first.near(), Buffer.from('near').readInt32LE());
  assert.deepEqual(calls, []);
  new Uint8Array(first.memory.buffer).set(Buffer.from('same'), TOUCHED);
  assert.equal(first.far(), Buffer.from('far ').readInt32LE());
  assert.deepEqual([text(FAR), text(TEXT), text(TOUCHED).slice(0, 4), calls.length], ['far away', 'near it ', 'same', 1]);
});

test('a function that is called through the table has a door there, and nothing else has', async () => {
  const { first, calls } = await run(split(built(), (name) => name !== 'far', built()));
  assert.equal(first.through(), Buffer.from('far ').readInt32LE());
  assert.equal(calls.length, 1);
  const without = wasm.parse(split(built(), (name) => name === 'near', built()).first);
  assert.deepEqual(without.elements, []);
});

test('an address into the middle of a symbol, or its opposite, keeps all of it', async () => {
  for (const address of [FAR + 4, -(FAR + 4)]) {
    const finished = built({ plain: true, nearAddress: address });
    const { text } = await run(split(finished, (name) => name === 'near', built()));
    assert.equal(text(FAR), 'far away');
    assert.equal(text(TEXT), NOTHING);
  }
});

test('a number that happens to be an address is none where the linker says so', async () => {
  const linked = (nearAddress) => split(built({ plain: true, nearAddress }), (name) => name === 'near', built({ plainNumber: FAR + 4 }));
  assert.equal((await run(linked(FAR + 4))).text(FAR), NOTHING);
  assert.equal((await run(linked(FAR + 3))).text(FAR), 'far away');
});

test('what the linker did not say, or said of another module, stops the build', () => {
  assert.throws(() => split(built(), () => true, built({ plain: true })), /--emit-relocs/);
  assert.throws(() => split(built({ text: 'otherwise'.slice(0, 8) }), () => true, built()), /not what was linked: it differs at 1028/);
});

test('what the linker says is read as it is meant', () => {
  const { symbols, code, slots, plain, data } = linked(built({ plainNumber: 7 }));
  assert.deepEqual(symbols.map(({ start, end, isConstant }) => [start, end - start, isConstant]),
    [[POINTER, 4, true], [TEXT, 8, true], [FAR, 8, true], [PADDED, 8, true], [TOUCHED, 4, false]]);
  assert.deepEqual(code.map(({ value }) => value), [POINTER, FAR]);
  assert.deepEqual([slots, plain], [new Set([1]), new Set([0, 7])]);
  assert.deepEqual(data.map(({ at, symbol }) => [at, symbol.start]), [[POINTER, TEXT]]);
});

test('numbers are read with their signs and in both halves', () => {
  const body = wasm.join(0, CONST, wasm.i32(-5), 0x42, [0x80, 0x80, 0x80, 0x80, 0x80, 0x20], 0x42, 0x7f, 0x36, 2, u32(1056), END);
  assert.deepEqual(wasm.constants(body), [2 ** 32 - 5, 0, 256, 2 ** 32 - 1, 2 ** 32 - 1, 1056]);
});

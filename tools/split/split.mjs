// Cuts the page's WebAssembly in two: what the first page runs, and the rest, which follows while the learner reads.
//
//   first   memory, tables and globals; the functions that the first page runs, and the data that they refer to; a door
//           for each of the other functions that may be asked for from here: it sees to it that the rest is there, and
//           goes through a table
//   rest    the other functions and data; it borrows memory, tables, globals and functions of the first, and on arrival
//           puts its functions into the tables and its data into memory
//
// Code that meets a door before the rest has come waits for it, in the middle of whatever it does (see loader.js): to the
// engine a function is a function, and nothing that it does depends on where the function came from.

import { checkSame, divided, staying } from './data.mjs';
import { linked } from './linked.mjs';
import * as wasm from './wasm.mjs';

/** The table of doors, the mark that the rest is there, and the prefix of what the rest borrows: names of exports. */
const DOORS = 'rest_doors', READY = 'rest_ready', LENT = 'lent_';

/**
 * Splits a module; `isFirst(name)` says of a function by its name whether the first page needs it, and `unfinished` is the
 * module as the linker wrote it, with its relocations. Returns both parts as bytes: { first, rest }.
 */
export function split(bytes, isFirst, unfinished) {
  const source = wasm.parse(bytes);
  if (source.names.size === 0) throw new Error('the module has no names of functions to go by');
  const imported = source.imports.length;
  const all = source.functions.map((_, position) => imported + position);
  const bodyOf = (index) => source.code[index - imported];
  const typeOf = (index) => (index < imported ? source.imports[index].type : source.functions[index - imported]);
  const here = new Set(all.filter((index) => isFirst(nameOf(source, index))));
  const away = all.filter((index) => !here.has(index));
  const isAway = (index) => index >= imported && !here.has(index);

  const link = linked(unfinished);
  checkSame(link.image, new wasm.Image(source.data));
  const stay = staying(link, [...here].map(bodyOf), source.globals.map(({ init }) => wasm.numberOf(init)));
  const data = divided(link, stay.symbols);
  // The page's own functions are in their places from the beginning; others are if one may be called through its place.
  const elements = source.elements.flatMap(({ offset, functions }) => runsOf(functions, (index, place) => !isAway(index) || stay.slots.has(offset + place))
    .map(({ start, items }) => ({ offset: offset + start, functions: items })));

  // Doors: for what the first part calls, the page's script calls, and tables hold.
  const asked = new Set();
  for (const index of here) wasm.calls(bodyOf(index)).filter(isAway).forEach((callee) => asked.add(callee));
  for (const { kind, index } of source.exports) if (kind === wasm.KIND.func && isAway(index)) asked.add(index);
  for (const { functions } of elements) functions.filter(isAway).forEach((index) => asked.add(index));
  const doors = [...asked].sort((a, b) => a - b);
  const lent = [...new Set(away.flatMap((index) => wasm.calls(bodyOf(index)).filter((callee) => !isAway(callee))))].sort((a, b) => a - b);

  const parts = { source, imported, bodyOf, typeOf, here: all.filter((index) => here.has(index)), away, doors, lent, elements, data };
  const size = (segments) => segments.reduce((sum, { bytes }) => sum + bytes.length, 0);
  const counts = { first: here.size, rest: away.length, doors: doors.length, firstData: size(data.first), restData: size(data.rest) };
  return { first: firstPart(parts), rest: restPart(parts), counts };
}

/** The name of a function without what differs from build to build. */
export function nameOf(module, index) {
  return (module.names.get(index) ?? '').replace(/::h[0-9a-f]{16}$/, '').replace(/\[[0-9a-f]{8,}\]/g, '');
}

function firstPart({ source, imported, bodyOf, typeOf, here, doors, lent, elements, data }) {
  const { KIND } = wasm;
  const numbers = new Map();
  for (let index = 0; index < imported; index += 1) numbers.set(index, index);
  // After the imports comes one more: what fetches the rest.
  const load = imported;
  [...here, ...doors].forEach((index, position) => numbers.set(index, imported + 1 + position));
  const renumber = (index) => numbers.get(index);
  const table = source.tables.length;
  const ready = source.globals.length;
  const loadType = source.types.length;
  const exported = (prefix, kind, indices) => indices.map((index) => ({ name: `${prefix}${index}`, kind, index }));
  return wasm.module([
    [wasm.TYPE, wasm.encodeTypes([...source.types, { params: [], results: [] }])],
    [wasm.IMPORT, wasm.list([...source.imports, { module: 'rest', field: 'load', kind: KIND.func, type: loadType }].map(wasm.encodeImport))],
    [wasm.FUNCTION, wasm.list([...here, ...doors].map((index) => wasm.u32(typeOf(index))))],
    [wasm.TABLE, wasm.list([...source.tables, doorTable(doors)])],
    [wasm.MEMORY, wasm.list(source.memories)],
    [wasm.GLOBAL, wasm.list([...source.globals.map(({ type, init }) => wasm.join(type, init)), wasm.join([0x7f, 1, 0x41, 0, 0x0b])])],
    [wasm.EXPORT, wasm.list([
      ...source.exports.map((entry) => (entry.kind === KIND.func ? { ...entry, index: renumber(entry.index) } : entry)),
      { name: DOORS, kind: KIND.table, index: table },
      { name: READY, kind: KIND.global, index: ready },
      ...exported('lent_memory', KIND.memory, [...source.memories.keys()]),
      ...exported('lent_table', KIND.table, [...source.tables.keys()]),
      ...exported('lent_global', KIND.global, [...source.globals.keys()]),
      ...lent.map((index, position) => ({ name: `${LENT}${position}`, kind: KIND.func, index: renumber(index) })),
    ].map(wasm.encodeExport))],
    [wasm.ELEMENT, wasm.list(elements.map(({ offset, functions }) => wasm.encodeElement({ offset, functions: functions.map(renumber) })))],
    [wasm.CODE, wasm.list([
      ...here.map((index) => wasm.sized(wasm.renumbered(bodyOf(index), renumber))),
      ...doors.map((index, slot) => wasm.sized(door(source.types[typeOf(index)].params.length, typeOf(index), { slot, table, ready, load }))),
    ])],
    [wasm.DATA, wasm.list(data.first.map(wasm.encodeData))],
  ]);
}

const doorTable = (doors) => wasm.join(0x70, 0, wasm.u32(doors.length));

/** `if !ready { load() }; doors[slot](…)` */
function door(params, type, { slot, table, ready, load }) {
  const given = Array.from({ length: params }, (_, local) => wasm.join(0x20, wasm.u32(local)));
  return wasm.join(0, 0x23, wasm.u32(ready), 0x45, 0x04, 0x40, 0x10, wasm.u32(load), 0x0b, given,
    0x41, wasm.i32(slot), 0x11, wasm.u32(type), wasm.u32(table), 0x0b);
}

function restPart({ source, bodyOf, typeOf, away, doors, lent, data }) {
  const { KIND } = wasm;
  const numbers = new Map([...lent, ...away].map((index, number) => [index, number]));
  const renumber = (index) => numbers.get(index);
  const borrowed = (field, kind, type) => ({ module: 'first', field, kind, type });
  // Limits are those at the beginning: what has grown since fits too.
  const unbounded = (type) => wasm.join(type);
  const imports = [
    ...lent.map((index, position) => borrowed(`${LENT}${position}`, KIND.func, typeOf(index))),
    ...source.tables.map((type, index) => borrowed(`lent_table${index}`, KIND.table, unbounded(type))),
    borrowed(DOORS, KIND.table, doorTable(doors)),
    ...source.memories.map((type, index) => borrowed(`lent_memory${index}`, KIND.memory, unbounded(type))),
    ...source.globals.map(({ type }, index) => borrowed(`lent_global${index}`, KIND.global, type)),
  ];
  const mine = new Set(away);
  // Calls through the page's own table come straight here from now on.
  const runs = source.elements.flatMap(({ offset, functions }) => runsOf(functions, (index) => mine.has(index))
    .map(({ start, items }) => ({ offset: offset + start, functions: items.map(renumber) })));
  const elements = [{ table: source.tables.length, offset: 0, functions: doors.map(renumber) }, ...runs];
  return wasm.module([
    [wasm.TYPE, wasm.encodeTypes(source.types)],
    [wasm.IMPORT, wasm.list(imports.map(wasm.encodeImport))],
    [wasm.FUNCTION, wasm.list(away.map((index) => wasm.u32(typeOf(index))))],
    [wasm.ELEMENT, wasm.list(elements.map(wasm.encodeElement))],
    [wasm.CODE, wasm.list(away.map((index) => wasm.sized(wasm.renumbered(bodyOf(index), renumber))))],
    [wasm.DATA, wasm.list(data.rest.map(wasm.encodeData))],
  ]);
}

/** Stretches of a list whose items all pass. */
function runsOf(items, passes) {
  const runs = [];
  items.forEach((item, position) => {
    if (!passes(item, position)) return;
    const last = runs.at(-1);
    if (last && last.start + last.items.length === position) last.items.push(item);
    else runs.push({ start: position, items: [item] });
  });
  return runs;
}

/** The module with a mark for each function, set when the function runs: exports `ran_INDEX`. */
export function instrumented(bytes) {
  const source = wasm.parse(bytes);
  const imported = source.imports.length;
  const marks = source.globals.length;
  const mark = (position) => wasm.join(0x41, 1, 0x24, wasm.u32(marks + position));
  return wasm.module([
    [wasm.TYPE, wasm.encodeTypes(source.types)],
    [wasm.IMPORT, wasm.list(source.imports.map(wasm.encodeImport))],
    [wasm.FUNCTION, wasm.list(source.functions.map(wasm.u32))],
    [wasm.TABLE, wasm.list(source.tables)],
    [wasm.MEMORY, wasm.list(source.memories)],
    [wasm.GLOBAL, wasm.list([
      ...source.globals.map(({ type, init }) => wasm.join(type, init)),
      ...source.functions.map(() => wasm.join([0x7f, 1, 0x41, 0, 0x0b])),
    ])],
    [wasm.EXPORT, wasm.list([
      ...source.exports,
      ...source.functions.map((_, position) => ({ name: `ran_${imported + position}`, kind: wasm.KIND.global, index: marks + position })),
    ].map(wasm.encodeExport))],
    [wasm.ELEMENT, wasm.list(source.elements.map(wasm.encodeElement))],
    [wasm.CODE, wasm.list(source.code.map((body, position) => wasm.sized(wasm.renumbered(body, (index) => index, mark(position)))))],
    [wasm.DATA, wasm.list(source.data.map(wasm.encodeData))],
  ]);
}

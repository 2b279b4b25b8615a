// As much of the WebAssembly binary format as splitting a module takes: sections in, sections out, and walks over code: one
// that gives functions other numbers, one that collects constants. What it does not know it refuses.

export const TYPE = 1, IMPORT = 2, FUNCTION = 3, TABLE = 4, MEMORY = 5, GLOBAL = 6, EXPORT = 7, START = 8, ELEMENT = 9,
  CODE = 10, DATA = 11, DATA_COUNT = 12;
export const KIND = { func: 0, table: 1, memory: 2, global: 3 };

/** A place in bytes that are being read. */
export class Reader {
  constructor(bytes, at = 0, end = bytes.length) {
    Object.assign(this, { bytes, at, end });
  }

  byte() {
    if (this.at >= this.end) throw new Error('the module ends too early');
    return this.bytes[this.at++];
  }

  u32() {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = this.byte();
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
  }

  /** A signed number of up to 64 bits. */
  s64() {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = this.byte();
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return BigInt.asIntN(64, byte & 0x40 ? value - (1n << (shift + 7n)) : value);
    }
  }

  s32() {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = this.byte();
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return byte & 0x40 && shift < 25 ? value | (-1 << (shift + 7)) : value;
    }
  }

  /** Over a number of any width, signed or not. */
  skipNumber() {
    while (this.byte() >= 0x80);
  }

  take(length) {
    this.at += length;
    return this.bytes.subarray(this.at - length, this.at);
  }

  name() {
    return new TextDecoder().decode(this.take(this.u32()));
  }

  list(item) {
    return Array.from({ length: this.u32() }, () => item());
  }

  /** What `item` reads, as bytes. */
  raw(item) {
    const start = this.at;
    item();
    return this.bytes.subarray(start, this.at);
  }
}

export function u32(value) {
  const bytes = [];
  do {
    const rest = Math.floor(value / 128);
    bytes.push(value % 128 + (rest > 0 ? 128 : 0));
    value = rest;
  } while (value > 0);
  return Uint8Array.from(bytes);
}

export function i32(value) {
  const bytes = [];
  for (;;) {
    const byte = value & 0x7f;
    value >>= 7;
    const last = (value === 0 && !(byte & 0x40)) || (value === -1 && byte & 0x40);
    bytes.push(last ? byte : byte | 0x80);
    if (last) return Uint8Array.from(bytes);
  }
}

export const join = (...parts) => Buffer.concat(parts.flat(Infinity).map((part) => (typeof part === 'number' ? [part] : part)).map((part) => Buffer.from(part)));
export const list = (items) => join(u32(items.length), items);
export const name = (text) => join(u32(Buffer.byteLength(text)), Buffer.from(text));
export const sized = (...parts) => {
  const content = join(...parts);
  return join(u32(content.length), content);
};

/** A module's sections in order: { id, name, content() }, the name for custom ones; `content` is what follows it. */
export function sections(bytes) {
  if (Buffer.compare(bytes.subarray(0, 8), Buffer.from('0061736d01000000', 'hex')) !== 0) throw new Error('this is no WebAssembly module');
  const found = [];
  const from = new Reader(bytes, 8);
  while (from.at < from.end) {
    const [id, length] = [from.byte(), from.u32()];
    const content = new Reader(bytes, from.at, from.at + length);
    from.at += length;
    const name = id === 0 ? content.name() : '';
    const start = content.at;
    found.push({ id, name, start, content: () => new Reader(bytes, start, content.end) });
  }
  return found;
}

/** A module's parts, each in the order of its index space. */
export function parse(bytes) {
  const module = { types: [], imports: [], functions: [], tables: [], memories: [], globals: [], exports: [], elements: [], code: [], data: [], names: new Map() };
  const read = {
    [TYPE]: (from) => { module.types = from.list(() => functionType(from)); },
    [IMPORT]: (from) => { module.imports = from.list(() => anImport(from)); },
    [FUNCTION]: (from) => { module.functions = from.list(() => from.u32()); },
    [TABLE]: (from) => { module.tables = from.list(() => from.raw(() => { from.byte(); limits(from); })); },
    [MEMORY]: (from) => { module.memories = from.list(() => from.raw(() => limits(from))); },
    [GLOBAL]: (from) => { module.globals = from.list(() => ({ type: from.take(2), init: from.raw(() => constant(from)) })); },
    [EXPORT]: (from) => { module.exports = from.list(() => ({ name: from.name(), kind: from.byte(), index: from.u32() })); },
    [ELEMENT]: (from) => { module.elements = from.list(() => element(from)); },
    [CODE]: (from) => { module.code = from.list(() => from.take(from.u32())); },
    [DATA]: (from) => { module.data = segments(from); },
    [DATA_COUNT]: () => {},
  };
  for (const { id, name: custom, content } of sections(bytes)) {
    if (id === 0) {
      if (custom === 'name') module.names = functionNames(content());
    } else if (read[id]) {
      read[id](content());
    } else {
      throw new Error(`the module has a section ${id}, which splitting does not know`);
    }
  }
  if (module.imports.some(({ kind }) => kind !== KIND.func)) throw new Error('the module imports something other than functions');
  return module;
}

function functionType(from) {
  if (from.byte() !== 0x60) throw new Error('the module has types other than those of functions');
  return { params: from.take(from.u32()), results: from.take(from.u32()) };
}

function anImport(from) {
  const [module, field, kind] = [from.name(), from.name(), from.byte()];
  return { module, field, kind, type: from.u32() };
}

function limits(from) {
  const flags = from.byte();
  from.skipNumber();
  if (flags & 1) from.skipNumber();
}

function constant(from) {
  const opcode = from.byte();
  if (opcode !== 0x41 && opcode !== 0x42) throw new Error('a constant is more than a number');
  from.skipNumber();
  if (from.byte() !== 0x0b) throw new Error('a constant is more than a number');
}

/** The number that a constant expression is, unsigned. */
export function numberOf(init) {
  const from = new Reader(init, 1);
  return init[0] === 0x41 ? from.s32() >>> 0 : Number(BigInt.asUintN(64, from.s64()));
}

/** An active segment of function numbers for the first table. */
function element(from) {
  const flags = from.u32();
  if (flags !== 0 && flags !== 2) throw new Error('a table is filled in a way that splitting does not know');
  if (flags === 2 && from.u32() !== 0) throw new Error('a table other than the first is filled');
  if (from.byte() !== 0x41) throw new Error('a table is filled from a place that is no number');
  const offset = from.u32();
  if (from.byte() !== 0x0b) throw new Error('a table is filled from a place that is no number');
  if (flags === 2 && from.byte() !== 0) throw new Error('a table is filled with something other than functions');
  return { offset: signed(offset), functions: from.list(() => from.u32()) };
}

/** An i32.const's number was read as unsigned; places in a table are small, so only their sign bit can mislead. */
function signed(offset) {
  if (offset >= 2 ** 27) throw new Error('a table is filled from far out');
  return offset;
}

/** Active segments of data: { offset, at, bytes }, `at` being the place of the first byte in the module. */
export function segments(from) {
  return from.list(() => {
    if (from.u32() !== 0 || from.byte() !== 0x41) throw new Error('memory is filled in a way that splitting does not know');
    const offset = from.s32() >>> 0;
    if (from.byte() !== 0x0b) throw new Error('memory is filled from a place that is no number');
    const length = from.u32();
    return { offset, at: from.at, bytes: from.take(length) };
  });
}

/** Memory as segments of data leave it. */
export class Image {
  constructor(from) {
    this.start = Math.min(...from.map(({ offset }) => offset));
    this.end = Math.max(...from.map(({ offset, bytes }) => offset + bytes.length));
    this.bytes = new Uint8Array(this.end - this.start);
    for (const { offset, bytes } of from) this.bytes.set(bytes, offset - this.start);
  }

  byte(address) {
    return this.bytes[address - this.start] ?? 0;
  }

  word(address) {
    return [0, 1, 2, 3].reduce((word, place) => word + this.byte(address + place) * 2 ** (8 * place), 0);
  }

  slice(start, end) {
    return this.bytes.subarray(start - this.start, end - this.start);
  }
}

function functionNames(from) {
  const names = new Map();
  while (from.at < from.end) {
    const [id, length] = [from.byte(), from.u32()];
    const part = new Reader(from.bytes, from.at, from.at + length);
    from.at += length;
    if (id === 1) part.list(() => names.set(part.u32(), part.name()));
  }
  return names;
}

/** The numbers of the functions that a body calls, each as often as it does. */
export function calls(body) {
  const called = [];
  walk(body, (number) => {
    called.push(number);
    return number;
  });
  return called;
}

/**
 * The numbers in a body that could be addresses or places in a table, unsigned: constants of 32 bits, both halves of those
 * of 64 bits, and what loads and stores add to their address. `passes` is asked with a place: where the number ends.
 */
export function constants(body, passes = () => true) {
  const found = [];
  const from = afterLocals(body);
  const constant = (value) => { if (passes(from.at)) found.push(value >>> 0); };
  const wide = (value) => [value, value >> 32n].forEach((half) => constant(Number(BigInt.asUintN(32, half))));
  while (from.at < from.end) instruction(from, { number: () => from.skipNumber(), constant, wide });
  return found;
}

function afterLocals(body) {
  const from = new Reader(body);
  from.list(() => { from.u32(); from.byte(); });
  return from;
}

/** A body whose functions are numbered by `renumber`; `prefix` is run before it. */
export function renumbered(body, renumber, prefix = []) {
  return walk(body, renumber, prefix);
}

function walk(body, renumber, prefix = []) {
  const from = afterLocals(body);
  const parts = [body.subarray(0, from.at), Buffer.from(prefix)];
  let copied = from.at;
  const number = () => {
    parts.push(body.subarray(copied, from.at));
    parts.push(u32(renumber(from.u32())));
    copied = from.at;
  };
  while (from.at < from.end) instruction(from, { number });
  parts.push(body.subarray(copied));
  return Buffer.concat(parts);
}

/** Over one instruction; the number of a function is left to `number`, and numbers go to `constant` and `wide` if given. */
function instruction(from, { number, constant, wide }) {
  const opcode = from.byte();
  if (constant && access(opcode, from, constant, wide)) return;
  const numbers = (count) => { while (count-- > 0) from.skipNumber(); };
  if (opcode === 0x10 || opcode === 0x12 || opcode === 0xd2) number();
  else if (opcode === 0x0e) numbers(from.u32() + 1);
  else if (opcode === 0x11 || opcode === 0x13) numbers(2);
  else if (opcode >= 0x02 && opcode <= 0x04 || opcode === 0x0c || opcode === 0x0d) numbers(1);
  else if (opcode === 0x1c) from.take(from.u32());
  else if (opcode >= 0x20 && opcode <= 0x26) numbers(1);
  else if (opcode >= 0x28 && opcode <= 0x3e) numbers(2);
  else if (opcode >= 0x3f && opcode <= 0x42 || opcode === 0xd0) numbers(1);
  else if (opcode === 0x43) from.take(4);
  else if (opcode === 0x44) from.take(8);
  else if (opcode === 0xfc) prefixed(from.u32(), numbers);
  else if (!(opcode <= 0x01 || opcode === 0x05 || opcode === 0x0b || opcode === 0x0f || opcode === 0x1a || opcode === 0x1b
    || opcode >= 0x45 && opcode <= 0xc4 || opcode === 0xd1)) {
    throw new Error(`an instruction 0x${opcode.toString(16)} that splitting does not know`);
  }
}

/** Over an instruction that may have an address in it, if it is one. */
function access(opcode, from, constant, wide) {
  if (opcode === 0x41) constant(from.s32());
  else if (opcode === 0x42) wide(from.s64());
  else if (opcode >= 0x28 && opcode <= 0x3e) {
    if (from.u32() >= 64) throw new Error('an access to another memory than the first');
    constant(from.u32());
  } else return false;
  return true;
}

function prefixed(opcode, numbers) {
  const counts = [0, 0, 0, 0, 0, 0, 0, 0, 2, 1, 2, 1, 2, 1, 2, 1, 1, 1];
  if (counts[opcode] === undefined) throw new Error(`an instruction 0xfc ${opcode} that splitting does not know`);
  numbers(counts[opcode]);
}

/** Bytes of a module of these sections: [id, content] in order; those without content are left out. */
export function module(sections) {
  const parts = sections.filter(([, content]) => content !== null).map(([id, content]) => join(id, sized(content)));
  return join(Buffer.from('0061736d01000000', 'hex'), parts);
}

export const encodeTypes = (types) => list(types.map(({ params, results }) => join(0x60, sized(params), sized(results))));
export const encodeImport = ({ module: from, field, kind, type }) => join(name(from), name(field), kind, typeof type === 'number' ? u32(type) : type);
export const encodeExport = (entry) => join(name(entry.name), entry.kind, u32(entry.index));
/** An active segment for any table. */
export const encodeElement = ({ table = 0, offset, functions }) => (table === 0
  ? join(0, 0x41, i32(offset), 0x0b, list(functions.map(u32)))
  : join(2, u32(table), 0x41, i32(offset), 0x0b, 0, list(functions.map(u32))));
/** An active segment for the first memory. */
export const encodeData = ({ offset, bytes }) => join(0, 0x41, i32(offset), 0x0b, sized(bytes));

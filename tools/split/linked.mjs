// What the linker wrote beside the code (`--emit-relocs`): where each symbol of data lies, and which constants in code and
// which words in data are addresses of which symbol. Format: the WebAssembly tool conventions, Linking.md.

import * as wasm from './wasm.mjs';

const SEGMENT_INFO = 5, SYMBOL_TABLE = 8;
const SYMBOL = { func: 0, data: 1, global: 2, section: 3, tag: 4, table: 5 };
const UNDEFINED = 0x10, EXPLICIT_NAME = 0x40, ABSOLUTE = 0x200;

/** Kinds of relocations by their numbers: what the place refers to, and whether an addend follows. */
const FUNCTION = 'function', ADDRESS = 'address', SLOT = 'slot', OTHER = 'other';
const RELOCATIONS = new Map([
  [0, [FUNCTION, false]], [1, [SLOT, false]], [2, [SLOT, false]], [3, [ADDRESS, true]], [4, [ADDRESS, true]], [5, [ADDRESS, true]],
  [6, [OTHER, false]], [7, [OTHER, false]], [8, [OTHER, true]], [9, [OTHER, true]], [10, [OTHER, false]], [13, [OTHER, false]], [20, [OTHER, false]],
]);

/**
 * Reads a linked module: { image, symbols, code, slots, plain, data }. `symbols` are those of data, { start, end, isConstant },
 * in the order of their addresses; `code` are the addresses in code, { value, symbol }, `slots` the places in the table of
 * functions in it, and `plain` the numbers that are neither; `data` is what words of data refer to, { at, symbol } or
 * { at, slot }, in their order.
 */
export function linked(bytes) {
  const sections = wasm.sections(bytes);
  const [linking, ofCode, ofData] = ['linking', 'reloc.CODE', 'reloc.DATA'].map((wanted) => sections.find(({ name }) => name === wanted));
  if (!linking || !ofCode || !ofData) throw new Error('the linker did not say what refers to data: is --emit-relocs gone from .cargo/config.toml?');
  const segments = wasm.segments(sections.find(({ id }) => id === wasm.DATA).content());
  const image = new wasm.Image(segments);
  const table = symbols(linking.content(), segments);
  const [code, placed] = [ofCode, ofData].map((section) => relocations(section.content(), sections)
    .map((entry) => ({ ...entry, symbol: table[entry.index], value: ((table[entry.index]?.start ?? 0) + entry.addend) >>> 0 })));
  const data = placed.map(({ kind, place, symbol, value }) => {
    const at = addressOf(segments, place);
    if (kind === SLOT) return { at, slot: image.word(at) };
    if (kind === ADDRESS && image.word(at) === value) return { at, symbol };
    throw new Error(`the linker says of the word at ${at} what is not there`);
  });
  const sorted = table.filter((entry) => entry && entry.end > entry.start).sort((a, b) => a.start - b.start || a.end - b.end);
  // Linkers put a text that others end with into one of these.
  const crosses = sorted.find(({ start, end }, place) => place > 0 && start < sorted[place - 1].end && end !== sorted[place - 1].end);
  if (crosses) throw new Error(`the data at ${crosses.start} crosses what lies before it`);
  return {
    image,
    symbols: sorted,
    code: code.filter(({ kind }) => kind === ADDRESS).map(({ value, symbol }) => ({ value, symbol })),
    slots: new Set(code.filter(({ kind }) => kind === SLOT).map(({ place }) => new wasm.Reader(bytes, place).s32())),
    plain: plainNumbers(sections.find(({ id }) => id === wasm.CODE).content(), code),
    data: data.sort((a, b) => a.at - b.at),
  };
}

/** By index: symbols of data that lie somewhere, null for all others. */
function symbols(linking, segments) {
  if (linking.u32() !== 2) throw new Error('the linker writes another version of its section');
  let names = [];
  let found = null;
  while (linking.at < linking.end) {
    const [kind, length] = [linking.byte(), linking.u32()];
    const part = new wasm.Reader(linking.bytes, linking.at, linking.at + length);
    linking.at += length;
    if (kind === SEGMENT_INFO) names = part.list(() => ({ name: part.name(), align: part.u32(), flags: part.u32() }).name);
    if (kind === SYMBOL_TABLE) found = part.list(() => symbol(part));
  }
  if (!found || names.length !== segments.length) throw new Error('the linker does not name the segments of data');
  return found.map((entry) => {
    if (entry?.segment === undefined) return null;
    const start = segments[entry.segment].offset + entry.offset;
    // What code may write to stays where it is.
    return { start, end: start + entry.size, isConstant: /^\.rodata/.test(names[entry.segment]) };
  });
}

function symbol(from) {
  const [kind, flags] = [from.byte(), from.u32()];
  if (kind === SYMBOL.section) {
    from.u32();
    return null;
  }
  if (kind === SYMBOL.data) {
    from.name();
    if (flags & UNDEFINED) return null;
    const [segment, offset, size] = [from.u32(), from.u32(), from.u32()];
    return flags & ABSOLUTE ? null : { segment, offset, size };
  }
  if (!(kind in Object.values(SYMBOL))) throw new Error(`the linker names a symbol of kind ${kind}`);
  from.u32();
  if (!(flags & UNDEFINED) || flags & EXPLICIT_NAME) from.name();
  return null;
}

/** What lies at which place of the module. */
function relocations(from, sections) {
  // Places are counted from the beginning of a section's content.
  const { start } = sections[from.u32()];
  return from.list(() => {
    const type = from.byte();
    const [kind, hasAddend] = RELOCATIONS.get(type) ?? [];
    if (!kind) throw new Error(`the linker writes a relocation of kind ${type}`);
    return { kind, place: start + from.u32(), index: from.u32(), addend: hasAddend ? from.s32() : 0 };
  });
}

/** The numbers in code that no relocation is about. */
function plainNumbers(from, relocated) {
  // A linker's numbers are five bytes long, so that any fits.
  const ends = new Set(relocated.map(({ place }) => place + 5));
  const found = new Set();
  from.list(() => {
    const length = from.u32();
    const start = from.at;
    wasm.constants(from.take(length), (end) => !ends.has(start + end)).forEach((number) => found.add(number));
  });
  return found;
}

/** The address at which a place of the module comes to lie. */
function addressOf(segments, place) {
  const segment = segments.find(({ at, bytes }) => place >= at && place < at + bytes.length);
  if (!segment) throw new Error('the linker refers to a place outside of all data');
  return segment.offset + place - segment.at;
}

// Which data only the second file needs: what no code of the first refers to, and no data that stays.
//
// The linker's word is taken for what refers to what (see linked.mjs); code is looked at as it is after all tools, since
// they move functions into others. A number that the linker did not write is taken for an address that they have computed
// further, into the symbol in which it lies: then too much stays, not too little.

import { constants } from './wasm.mjs';

/** What becomes of a byte: nothing, where it belongs to no symbol. */
const UNUSED = 0, STAYS = 1, MOVES = 2;
/** A segment ends where so many bytes are not its own: a new one costs as many. */
const GAP_BYTES = 8;

/** Both files' segments of data: `stay` are the symbols that stay. */
export function divided({ image, symbols }, stay) {
  const fate = new Uint8Array(image.bytes.length).fill(UNUSED);
  const mark = (chosen, value) => chosen.forEach(({ start, end }) => fate.fill(value, start - image.start, end - image.start));
  mark(symbols, MOVES);
  mark([...stay], STAYS);
  // What belongs to no symbol is nothing but padding, unless the linker keeps something from us: then it stays.
  image.bytes.forEach((byte, place) => { if (fate[place] === UNUSED && byte !== 0) fate[place] = STAYS; });
  return {
    // What moves may be overwritten with zeros by the first file, and what stays by nobody.
    first: segmentsOf(image, (place) => fate[place] === STAYS, () => true),
    rest: segmentsOf(image, (place) => fate[place] === MOVES, (place) => fate[place] !== STAYS),
  };
}

/** Segments with all bytes that are `mine` and no zeros; between them zeros, where they are few and `mayClear` allows it. */
function segmentsOf(image, mine, mayClear) {
  const found = [];
  let last = null;
  for (let place = 0; place < image.bytes.length; place += 1) {
    if (mine(place) && image.bytes[place] !== 0) {
      if (!last || place - last.end > GAP_BYTES) found.push(last = { start: place, end: place });
      last.end = place + 1;
    } else if (!mayClear(place)) {
      last = null;
    }
  }
  return found.map(({ start, end }) => ({
    offset: image.start + start,
    bytes: image.bytes.slice(start, end).map((byte, place) => (mine(start + place) ? byte : 0)),
  }));
}

/** The finished module must hold the data that was linked, at its addresses. */
export function checkSame(linked, finished) {
  const [start, end] = [Math.min(linked.start, finished.start), Math.max(linked.end, finished.end)];
  for (let address = start; address < end; address += 1) {
    if (linked.byte(address) !== finished.byte(address)) {
      throw new Error(`the page's data is not what was linked: it differs at ${address}`);
    }
  }
}

/**
 * What stays with the first file: { symbols, slots }, sets of symbols of data and of places in the table of functions.
 * `bodies` are those of its functions, `others` are numbers that may be addresses too.
 */
export function staying({ symbols, code, slots: referred, plain, data }, bodies, others) {
  const numbers = new Set([...bodies.flatMap((body) => constants(body)), ...others]);
  const known = new Map();
  for (const { value, symbol } of code) if (symbol) known.set(value, [...(known.get(value) ?? []), symbol]);
  const kept = new Set(symbols.filter(({ isConstant }) => !isConstant));
  const slots = new Set([...referred].filter((slot) => numbers.has(slot)));
  for (const number of numbers) {
    // A number taken away may have become its opposite added.
    for (const address of [number, -number >>> 0]) {
      for (const symbol of known.get(address) ?? []) kept.add(symbol);
      if (known.has(address) || !plain.has(number)) around(symbols, address).forEach((symbol) => kept.add(symbol));
    }
  }
  // A set takes in, while it is walked, what is added to it.
  for (const { start, end } of kept) {
    for (let place = firstFrom(data, 'at', start); place < data.length && data[place].at < end; place += 1) {
      const { symbol, slot } = data[place];
      if (symbol) kept.add(symbol);
      else slots.add(slot);
    }
  }
  return { symbols: kept, slots };
}

/** The symbols in which an address lies, or at whose end. */
function around(symbols, address) {
  const found = [];
  for (let place = firstFrom(symbols, 'start', address + 1) - 1; place >= 0 && symbols[place].end >= address; place -= 1) found.push(symbols[place]);
  return found;
}

/** The place of the first item that is not below `least`, in items that are ordered by `key`. */
function firstFrom(items, key, least) {
  let [low, high] = [0, items.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (items[middle][key] < least) low = middle + 1;
    else high = middle;
  }
  return low;
}


// The rest of the page's code: fetched while the learner reads, or on the spot when something of it is called before.
const restUrl = new URL('REST_FILE', import.meta.url);

function attachRest(module) {
    if (wasm.rest_ready.value) return;
    // Its functions enter the tables of the first part as it is made.
    new WebAssembly.Instance(module, { first: wasm });
    wasm.rest_ready.value = 1;
}

// Called by the first part, which cannot go on without it.
function loadRest() {
    if (wasm.rest_ready.value) return;
    const request = new XMLHttpRequest();
    request.open('GET', restUrl, false);
    // Bytes as characters: the one form that may be asked for in this way.
    request.overrideMimeType('text/plain; charset=x-user-defined');
    request.send();
    if (request.status !== 200) throw new Error(`a part of the page could not be fetched: ${request.status} ${restUrl}`);
    attachRest(new WebAssembly.Module(Uint8Array.from(request.responseText, (character) => character.charCodeAt(0) & 0xff)));
}

export async function fetchRest() {
    const response = await fetch(restUrl, { priority: 'low' });
    if (!response.ok) throw new Error(`${response.status} ${restUrl}`);
    attachRest(await WebAssembly.compile(await response.arrayBuffer()));
}


// The rest of the page's code: fetched while the learner reads, or on the spot when something of it is called before.
const restUrl = new URL('REST_FILE', import.meta.url);

function attachRest(module) {
    if (wasm.rest_ready.value) return;
    // Its functions enter the tables of the first part as it is made.
    new WebAssembly.Instance(module, { first: wasm });
    wasm.rest_ready.value = 1;
}

let restModule = null;

// Has it at hand without a network. A page that a service worker serves does so before it starts: a synchronous request
// would pass the worker by.
export async function prepareRest() {
    if (restModule) return;
    const response = await fetch(restUrl, { priority: 'low' });
    if (!response.ok) throw new Error(`${response.status} ${restUrl}`);
    restModule = await WebAssembly.compile(await response.arrayBuffer());
}

export async function fetchRest() {
    await prepareRest();
    attachRest(restModule);
}

// Called by the first part, which cannot go on without it.
function loadRest() {
    if (wasm.rest_ready.value) return;
    if (restModule) return attachRest(restModule);
    const request = new XMLHttpRequest();
    request.open('GET', restUrl, false);
    // Bytes as characters: the one form that may be asked for in this way.
    request.overrideMimeType('text/plain; charset=x-user-defined');
    request.send();
    if (request.status !== 200) throw new Error(`a part of the page could not be fetched: ${request.status} ${restUrl}`);
    attachRest(new WebAssembly.Module(Uint8Array.from(request.responseText, (character) => character.charCodeAt(0) & 0xff)));
}

// Starts the page, then makes it independent of its server.
//
// Trunk would put these lines into index.html; here they are a file, so that the page can forbid inline scripts.

const PAUSES_MS = [0, 1_000, 5_000, 20_000];

const app = document.querySelector('meta[name="app"]');

try {
  const bindings = await import(new URL(app.content, document.baseURI).href);
  // From the worker's cache in no time; without it one call may have to wait for the network.
  if (navigator.serviceWorker?.controller) await bindings.prepareRest?.().catch(() => {});
  await bindings.default({ module_or_path: new URL(app.dataset.wasm, document.baseURI) });
  // Once the first page is painted. What is called before it is here fetches it by itself.
  if (bindings.fetchRest) requestAnimationFrame(() => setTimeout(() => fetchRest(bindings.fetchRest)));
} catch (error) {
  // Without this a browser that cannot run the page would show an empty one.
  const notice = document.createElement('p');
  notice.setAttribute('role', 'alert');
  notice.textContent = `Control Plane Lab could not start: ${error?.message ?? error}. `
    + 'It needs a current browser with WebAssembly; reloading helps if the network failed half-way.';
  document.body.append(notice);
  throw error;
}

async function fetchRest(fetchOnce) {
  for (const pause of PAUSES_MS) {
    await new Promise((resolve) => setTimeout(resolve, pause));
    try {
      return await fetchOnce();
    } catch (error) {
      console.warn(`the rest of the page's code is not here yet: ${error.message}`);
    }
  }
}

// After the page stands, so that the worker's downloads do not compete with the page's own. Missing on plain http other
// than localhost, where the page works all the same, but only with its server.
if ('serviceWorker' in navigator) {
  // Relative to the page, whatever path it is served under; `updateViaCache` so that a new build is seen at once.
  navigator.serviceWorker.register(new URL('sw.js', document.baseURI), { scope: './', updateViaCache: 'none' })
    .catch((error) => console.warn(`offline use is not available: ${error.message}`));
}

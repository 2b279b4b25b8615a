// Keeps the whole build, so that the page works with its server gone.
//
// - Installing takes every file of the build into a cache named after the build; one file missing and the build before
//   stays in charge.
// - The page itself is asked from the network first, so a new build is seen on the next load. All that it loads by name
//   is either hashed or generic, so a page of one build never runs on the files of another.
// - Lessons are asked from the network first too: editing one needs no build.
// - Everything else comes from the cache.

// The build's hash and its files; written by tools/stamp.mjs.
const BUILD = { version: 'unstamped', files: [] };

// A server that does not answer within this time is treated as gone when the answer is in the cache.
const PATIENCE_MS = 2000;

// Caches belong to the origin, which other builds under other paths may share.
const scope = new URL(self.registration.scope);
const prefix = `control-plane-lab ${scope.pathname} `;
const cacheName = prefix + BUILD.version;
const precached = new Set(BUILD.files.map((file) => new URL(file, scope).href));
const home = new URL('index.html', scope).href;
const lessons = new URL('lessons/', scope).href;

self.addEventListener('install', (event) => {
  event.waitUntil((async () => {
    const cache = await caches.open(cacheName);
    // `no-cache`: asks the server whether its copy is still this one, so nothing stale gets in.
    await cache.addAll([...precached].map((url) => new Request(url, { cache: 'no-cache' })));
    await self.skipWaiting();
  })());
});

self.addEventListener('activate', (event) => {
  event.waitUntil((async () => {
    const names = await caches.keys();
    await Promise.all(names.filter((name) => name.startsWith(prefix) && name !== cacheName)
      .map((name) => caches.delete(name)));
    await self.clients.claim();
  })());
});

self.addEventListener('fetch', (event) => {
  const { request } = event;
  const url = new URL(request.url);
  url.hash = '';
  url.search = '';
  if (request.method !== 'GET' || !url.href.startsWith(scope.href)) return;
  if (request.mode === 'navigate') {
    event.respondWith(networkFirst(request, url.href === scope.href ? home : url.href));
  } else if (url.href.startsWith(lessons)) {
    event.respondWith(networkFirst(request, url.href));
  } else if (precached.has(url.href)) {
    event.respondWith(cacheFirst(request, url.href));
  }
});

async function cacheFirst(request, key) {
  const cache = await caches.open(cacheName);
  return (await cache.match(key)) ?? fetch(request);
}

async function networkFirst(request, key) {
  const cache = await caches.open(cacheName);
  const kept = await cache.match(key);
  const asked = fetch(request, { cache: 'no-cache' }).then(async (response) => {
    // Only lessons are kept anew: the page must stay the one that this build's files belong to.
    if (response.ok && key.startsWith(lessons)) await cache.put(key, response.clone());
    return response;
  });
  if (kept) {
    const patience = new Promise((resolve) => setTimeout(resolve, PATIENCE_MS));
    const answer = await Promise.race([asked.catch(() => null), patience]);
    return answer?.ok ? answer : kept;
  }
  try {
    return await asked;
  } catch (error) {
    // An address that no file answers to, with the server gone: the page is still here.
    if (request.mode === 'navigate') return Response.redirect(scope.href);
    throw error;
  }
}

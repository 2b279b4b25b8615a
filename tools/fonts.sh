#!/usr/bin/env bash
# Makes assets/fonts anew from IBM Plex. Needed only when the list of characters in tools/fonts.py changes.
set -euo pipefail
cd "$(dirname "$0")/.."

work=.tools/fonts
mkdir -p "$work"
for package in plex-serif@2.0.0 plex-sans@1.1.0 plex-mono@2.5.0; do
    name=${package%@*}
    [ -d "$work/$name" ] && continue
    echo "fetching $package"
    archive=$(cd "$work" && npm pack --silent "@ibm/$package")
    mkdir "$work/$name"
    tar -xzf "$work/$archive" -C "$work/$name" --strip-components=1
    rm "$work/$archive"
done
[ -x "$work/venv/bin/python" ] || python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet 'fonttools==4.68.0' 'brotli==1.2.1'
"$work/venv/bin/python" tools/fonts.py "$work" assets/fonts
cp "$work/plex-serif/LICENSE.txt" assets/fonts/OFL.txt

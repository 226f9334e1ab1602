#!/bin/sh
# Prints the path of a Chromium for the browser tests, installing Debian's where that is possible. The one without a
# window comes first: the same engine, and half of the processor's time.
set -eu
find_it() {
  for name in "${CHROMIUM:-}" /usr/bin/chromium-headless-shell /usr/bin/chromium /usr/bin/chromium-browser; do
    if [ -n "$name" ] && [ -x "$name" ]; then echo "$name"; return 0; fi
  done
  return 1
}
install() {
  $as_root apt-get install -y -qq "$1" >&2
}
if [ -z "${CHROMIUM:-}" ] && [ ! -x /usr/bin/chromium-headless-shell ] && command -v apt-get >/dev/null; then
  if [ "$(id -u)" = 0 ]; then as_root=""; else as_root="sudo -n"; fi
  echo "setup: installing Debian's Chromium" >&2
  $as_root apt-get update -qq >&2 || true
  install chromium-headless-shell || install chromium || true
fi
find_it || {
  echo "The browser tests need Chromium: install Debian's package 'chromium-headless-shell' or 'chromium', or set CHROMIUM to its path." >&2
  exit 1
}

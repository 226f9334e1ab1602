#!/bin/sh
# Prints the path of a Chromium for the browser tests, installing Debian's where that is possible.
set -eu
find_it() {
  for name in "${CHROMIUM:-}" /usr/bin/chromium /usr/bin/chromium-browser; do
    if [ -n "$name" ] && [ -x "$name" ]; then echo "$name"; return 0; fi
  done
  return 1
}
find_it && exit 0
if command -v apt-get >/dev/null; then
  if [ "$(id -u)" = 0 ]; then as_root=""; else as_root="sudo -n"; fi
  echo "setup: installing Debian's chromium" >&2
  $as_root apt-get update -qq >&2 && $as_root apt-get install -y -qq chromium >&2 || true
fi
find_it || {
  echo "The browser tests need Chromium: install Debian's package 'chromium', or set CHROMIUM to its path." >&2
  exit 1
}

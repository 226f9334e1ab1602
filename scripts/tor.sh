#!/bin/sh
# Prints the path of a tor for the tests over Tor, installing Debian's where that is possible.
set -eu
find_it() {
  for name in "${TOR:-}" "$(command -v tor || true)" /usr/bin/tor /usr/sbin/tor; do
    if [ -n "$name" ] && [ -x "$name" ]; then echo "$name"; return 0; fi
  done
  return 1
}
find_both() { command -v tor-gencert >/dev/null && find_it; }
find_both && exit 0
if command -v apt-get >/dev/null; then
  if [ "$(id -u)" = 0 ]; then as_root=""; else as_root="sudo -n"; fi
  echo "setup: installing Debian's tor" >&2
  if $as_root apt-get update -qq >&2 && $as_root apt-get install -y -qq --no-install-recommends tor >&2; then
    # The tests start their own; the service that comes with the package would connect to the public network.
    if [ -d /run/systemd/system ]; then $as_root systemctl disable --quiet --now tor >&2 || true; fi
  fi
fi
find_both || {
  echo "The tests over Tor need tor and tor-gencert: install Debian's package 'tor', or set TOR to the path of tor." >&2
  exit 1
}

#!/bin/sh
# Full speed: mixing takes a few milliseconds every 20 ms, which no governor takes for load, so the
# processors would stay slow. Says what it did, and for what it could not do, what to do by hand.
set -u

boards=/sys/firmware/devicetree/base/model
policies=/sys/devices/system/cpu/cpufreq
[ "${1:-}" != --check ] || check=1
check=${check:-}

say() { echo "mixminus power: $*"; }

# On a Jetson Nano, mode 0 has four cores at 1.43 GHz; mode 1 has two at 0.92 GHz, too slow for this.
jetson() {
  mode=$(nvpmodel -q 2>/dev/null | sed -n '$p')
  if [ "$mode" != 0 ] && { [ -n "$check" ] || ! nvpmodel -m 0; }; then
    say "warning: power mode ${mode:-unknown} is not the full one: nvpmodel -m 0 (and feed the board by its barrel jack)"
  fi
  command -v jetson_clocks >/dev/null || return 0
  [ -n "$check" ] || jetson_clocks || say "warning: jetson_clocks failed: the clocks follow the load"
}

governors() {
  slow=''
  for file in "$policies"/policy*/scaling_governor; do
    [ -f "$file" ] || continue
    found=1
    [ "$(cat "$file")" != performance ] || continue
    [ -z "$check" ] && echo performance 2>/dev/null >"$file" && continue
    slow="$slow ${file%/*}"
  done
  [ -z "$slow" ] || say "warning: the governor is not 'performance' in$slow: set it, or sound may come late"
  [ -n "${found:-}" ] || say "nothing to set: this system has no frequency scaling"
}

command -v nvpmodel >/dev/null && jetson
governors
[ ! -r "$boards" ] || say "board: $(tr -d '\0' <"$boards")"

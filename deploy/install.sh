#!/bin/sh
# Installs mixminus as a service on Debian, Raspberry Pi OS, Ubuntu and JetPack (arm64, x86-64), and may be run
# again at any time. What it does, and how to undo it: docs/install.md.
set -eu
umask 022
# Programs of the system only: the service's account cannot run those below /root or in a home.
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
unset PYTHONPATH PYTHONHOME

HOME_DIR=/opt/mixminus   # releases, each a virtual environment; 'current' names the one that runs
ETC=/etc/mixminus STATE=/var/lib/mixminus CACHE=/var/cache/mixminus RUN=/run/mixminus LOG=/var/log/mixminus
COMMAND=/usr/local/bin/mixminus LIB=/usr/local/lib/mixminus UNITS=/etc/systemd/system
ACCOUNT=mixminus
OLDEST_MINOR=11 NEWEST_MINOR=13  # Python 3.x that a release runs on
OWN_PYTHON=3.12          # fetched where the system has none of these
NEEDED_MIB=1000          # of free disk: a release has 470, and as much again while it is installed
STOP_S=45                # a stop may take as long, where the settings cannot be asked
# The program that fetches interpreters and checks their digests; its wheels for glibc 2.17 and later.
UV=uv==0.13.9
UV_X86_64=sha256:d7f459fe4fd247d830351c75686d3996ace3c6f3f728eb0e85a30b7ada0cef19
UV_AARCH64=sha256:5435c5ce14a56431208ca0996416d310f1598e8c2c8ba707688985a16bb82dbe

usage() {
  cat <<'TEXT'
Usage: install.sh [options]            install, or repair what is installed
       install.sh --upgrade [options]  go to another release; back again if it does not get ready
       install.sh --uninstall          remove everything; asks before it deletes journal and settings

  --dry-run        say what would be done, and change nothing
  --offline DIR    take everything from DIR: wheels, and an interpreter where the system's is too old
  --python FILE    this interpreter: a program, or an archive python-build-standalone 'install_only'
  --wheel FILE     this release; otherwise the one in DIR, this checkout, or the newest of the package index
  --no-lan         a new installation opens the page on this machine only, not on the local network
  --no-start       do not start the service
  --wait SECONDS   how long the service may take to be ready (60)
  --purge          with --uninstall: delete journal and settings without asking
  --facts FILE     with --dry-run: the machine is as FILE says, in lines NAME=VALUE
TEXT
}

say() { echo "mixminus install: $*"; }
warn() { echo "mixminus install: warning: $*" >&2; }
die() { echo "mixminus install: $*" >&2; exit 1; }
step() { STEP=$1; say "$1"; }

# --- what is asked ---------------------------------------------------------------------------------------

ACTION=install DRY='' OFFLINE='' PYTHON='' WHEEL='' LAN=true START=true WAIT_S=60 PURGE='' FACTS=''

need() { if [ $# -lt 2 ] || [ -z "$2" ]; then die "$1 needs a value: install.sh --help"; fi; }
path_of() { [ -e "$2" ] || die "$1: there is no $2"; readlink -f "$2"; }

parse() {
  while [ $# -gt 0 ]; do
    case $1 in
      --dry-run) DRY=true ;;
      --upgrade | --uninstall) ACTION=${1#--} ;;
      --no-lan) LAN=false ;;
      --no-start) START='' ;;
      --purge) PURGE=true ;;
      --offline) need "$@"; OFFLINE=$(path_of "$@"); shift ;;
      --python) need "$@"; PYTHON=$(path_of "$@"); shift ;;
      --wheel) need "$@"; WHEEL=$(path_of "$@"); shift ;;
      --facts) need "$@"; FACTS=$(path_of "$@"); shift ;;
      --wait) need "$@"; WAIT_S=$2; shift ;;
      --help | -h) usage; exit 0 ;;
      *) die "unknown option $1: install.sh --help" ;;
    esac
    shift
  done
  case $WAIT_S in '' | *[!0-9]*) die "--wait needs whole seconds, not $WAIT_S" ;; esac
  [ -z "$FACTS" ] || [ -n "$DRY" ] || die "--facts is for --dry-run only"
  [ -z "$PURGE" ] || [ "$ACTION" = uninstall ] || die "--purge is for --uninstall only"
  [ -z "$OFFLINE" ] || [ -d "$OFFLINE" ] || die "--offline: $OFFLINE is no directory"
}

# --- what this machine is --------------------------------------------------------------------------------

has() { command -v "$1" >/dev/null 2>&1; }
first_of() { for found in "$@"; do [ ! -e "$found" ] || { echo "$found"; return; }; done; }

# Interpreters of the system, newest name first, as VERSION:PATH:WHETHER_IT_MAKES_VIRTUAL_ENVIRONMENTS.
pythons() {
  for name in python3.13 python3.12 python3.11 python3; do
    at=$(command -v "$name") || continue
    "$at" -I -c 'import sys, importlib.util as u
print("%d.%d" % sys.version_info[:2], sys.argv[1], "venv" if u.find_spec("ensurepip") else "bare", sep=":")' \
      "$at" 2>/dev/null || continue
  done
}

candidate() { # The version of a package that apt would install; empty: unknown.
  ! has apt-cache || apt-cache policy "$1" 2>/dev/null | sed -n 's/^ *Candidate: \([0-9.]*\).*/\1/p'
}

look() {
  # shellcheck disable=SC1091 # of the machine
  SYSTEM=$(. /etc/os-release 2>/dev/null && echo "${PRETTY_NAME:-}")
  ARCH=$(uname -m)
  BITS=$(getconf LONG_BIT)
  GLIBC=$(getconf GNU_LIBC_VERSION 2>/dev/null | sed 's/^glibc //')
  BOARD=$(tr -d '\0' 2>/dev/null </sys/firmware/devicetree/base/model) || BOARD=''
  SYSTEMD=$([ -d /run/systemd/system ] && echo yes) || SYSTEMD=''
  APT=$(has apt-get && echo yes) || APT=''
  PYTHONS=$(pythons | tr '\n' ' ')
  APT_PYTHON=$(candidate python3)
  FREE_MIB=$(df -Pm "$(first_of $HOME_DIR /opt /)" | { read -r _; read -r _ _ _ free _; echo "$free"; })
  USER_ID=$(id -u)
  INSTALLED=$(readlink "$HOME_DIR/current" 2>/dev/null) || INSTALLED=''
  SERVES=$([ -n "$INSTALLED" ] && serves && echo yes) || SERVES=''
}

read_facts() { # In place of looking: the plan for another machine.
  # shellcheck disable=SC2034 # eval reads it
  while IFS='=' read -r name value; do
    case $name in
      SYSTEM | ARCH | BITS | GLIBC | BOARD | SYSTEMD | APT | PYTHONS | APT_PYTHON | FREE_MIB | INSTALLED | SERVES | USER_ID)
        eval "$name=\$value" ;;
      '' | '#'*) ;;
      *) die "$FACTS: there is no fact $name" ;;
    esac
  done <"$FACTS"
}

# --- what follows from it --------------------------------------------------------------------------------

runs_on() { # Whether a release runs on Python $1 (3.x).
  case $1 in 3.[0-9]*) ;; *) return 1 ;; esac
  minor=${1#3.} minor=${minor%%.*}
  [ "$minor" -ge $OLDEST_MINOR ] && [ "$minor" -le $NEWEST_MINOR ]
}

older() { # Whether version $1 is below $2, of two numbers each.
  [ "${1%%.*}" -lt "${2%%.*}" ] || { [ "${1%%.*}" -eq "${2%%.*}" ] && [ "${1#*.}" -lt "${2#*.}" ]; }
}

check_machine() {
  [ "$USER_ID" = 0 ] || [ -n "$DRY" ] || die "run it as root: sudo sh $0"
  case $ARCH in
    x86_64 | aarch64) ;;
    *) die "there are no wheels for $ARCH: a 64-bit system on ARM or x86 is needed" ;;
  esac
  [ "$BITS" = 64 ] || die "the kernel is $ARCH, but the system is of $BITS bits: install the 64-bit system (Raspberry Pi OS 64-bit)"
  [ -n "$GLIBC" ] || die "this system has no glibc, so there are no wheels for it: use Debian or Ubuntu, or the container"
  ! older "$GLIBC" 2.27 || die "glibc $GLIBC is too old: 2.27 (Ubuntu 18.04, JetPack 4.6) is the oldest that the wheels take"
  [ "$FREE_MIB" -ge $NEEDED_MIB ] || die "$FREE_MIB MiB are free below /opt and $NEEDED_MIB are needed: make room"
  if [ "$ACTION" = upgrade ] && [ -z "$INSTALLED" ]; then die "nothing is installed: run it without --upgrade"; fi
}

# PYTHON_FROM: given, system, archive, apt, uv. SYSTEM_PYTHON: a path, where it is of the system.
choose_python() {
  PYTHON_FROM='' SYSTEM_PYTHON='' PACKAGES='' any=''
  case $PYTHON in
    '') ;;
    *.tar.gz | *.tgz | *.tar.zst) PYTHON_FROM=archive; return ;;
    *) PYTHON_FROM=given; return ;;
  esac
  for entry in $PYTHONS; do
    version=${entry%%:*} rest=${entry#*:}
    any=true
    runs_on "$version" || continue
    PYTHON_FROM=system SYSTEM_PYTHON=${rest%:*}
    [ "${rest##*:}" = venv ] || PACKAGES=python$version-venv
    [ -z "$OFFLINE" ] || PACKAGES=''
    return
  done
  if [ -n "$OFFLINE" ]; then
    PYTHON=$(first_of "$OFFLINE"/cpython-3.*"$ARCH"*.tar.gz "$OFFLINE"/cpython-3.*"$ARCH"*.tar.zst)
    [ -n "$PYTHON" ] || die "the system has no Python 3.$OLDEST_MINOR to 3.$NEWEST_MINOR, and $OFFLINE has no cpython-3.*$ARCH*.tar.gz: docs/install.md says which"
    PYTHON_FROM=archive
  elif [ -n "$APT_PYTHON" ] && runs_on "${APT_PYTHON%.*}" && [ -z "$any" ]; then
    PYTHON_FROM=apt PACKAGES='python3 python3-venv'
  elif [ -n "$APT" ]; then
    PYTHON_FROM=uv PACKAGES='python3 python3-venv ca-certificates'
  else
    die "the system has no Python 3.$OLDEST_MINOR to 3.$NEWEST_MINOR, and no apt-get to begin with: give one with --python FILE"
  fi
}

choose_rest() {
  CONSTRAINTS=constraints.txt
  ! older "$GLIBC" 2.28 || CONSTRAINTS=constraints-glibc-2.27.txt
  [ -n "$OFFLINE" ] && [ -z "$WHEEL" ] && WHEEL=$(newest "$OFFLINE"/mixminus-*-py3-none-any.whl)
  [ -z "$OFFLINE" ] || [ -n "$WHEEL" ] || die "$OFFLINE has no mixminus-*.whl"
  CHECKOUT=$(readlink -f "$(dirname "$0")/..")
  [ -f "$CHECKOUT/pyproject.toml" ] && grep -q '^name = "mixminus"' "$CHECKOUT/pyproject.toml" || CHECKOUT=''
}

newest() { for one in "$@"; do [ ! -e "$one" ] || echo "$one"; done | sort -V | tail -n 1; }

plan() {
  say "this machine: ${SYSTEM:-unknown system}, $ARCH, glibc $GLIBC, $([ -n "$SYSTEMD" ] && echo systemd || echo 'no systemd')${BOARD:+, $BOARD}"
  say "installed: ${INSTALLED:-nothing}${SERVES:+, and it runs}"
  say "packages of the system: ${PACKAGES:-none}"
  case $PYTHON_FROM in
    system) say "interpreter: $SYSTEM_PYTHON, the system's" ;;
    apt) say "interpreter: Python $APT_PYTHON, a package of the system" ;;
    uv) say "interpreter: Python $OWN_PYTHON of its own, fetched by uv, since the system has none from 3.$OLDEST_MINOR to 3.$NEWEST_MINOR" ;;
    *) say "interpreter: $PYTHON" ;;
  esac
  say "packages of Python: as in $CONSTRAINTS, ${OFFLINE:-from the package index}"
  say "release: ${WHEEL:-${CHECKOUT:-the newest in the package index}}"
  say "service: $([ -n "$SYSTEMD" ] && echo 'by systemd, at boot' || echo 'started here; at boot it is for you to start')"
  say "power: $(power_words)"
}

power_words() {
  case $BOARD in
    *Jetson*) echo 'nvpmodel -m 0 and jetson_clocks, at boot' ;;
    *) echo "governor 'performance' where there is one, at boot" ;;
  esac
}

# --- the service -----------------------------------------------------------------------------------------

supervisor_pid() { cat $RUN/supervisord.pid 2>/dev/null; }
is_alive() { [ -n "$1" ] && grep -q '^State:[[:space:]]*[^ZX]' "/proc/$1/status" 2>/dev/null; }
serves() { is_alive "$(supervisor_pid)"; }

stop_limit() { # Seconds that a stop of a release may take, by its settings.
  found=$(ask_release "$1" stop 2>/dev/null) || found=''
  case $found in '' | *[!0-9]*) echo $STOP_S ;; *) echo "$found" ;; esac
}

stop_service() {
  ! serves || say "stopping: running calls are told, and may end (at most $(stop_limit "$INSTALLED") s)"
  if [ -n "$SYSTEMD" ]; then
    systemctl stop mixminus.service 2>/dev/null || :
    return
  fi
  serves || return 0
  pid=$(supervisor_pid)
  kill -TERM "$pid"
  limit=$(stop_limit "$INSTALLED")
  left=$((limit * 10))
  while is_alive "$pid"; do
    [ $left -gt 0 ] || { warn "it did not stop in $limit s and is killed"; kill -KILL "$pid"; break; }
    left=$((left - 1))
    sleep 0.1
  done
}

start_service() {
  if [ -n "$SYSTEMD" ]; then
    systemctl reset-failed mixminus.service 2>/dev/null || :  # Earlier starts do not count.
    systemctl start mixminus.service
    return
  fi
  install -m 0640 -o $ACCOUNT -g $ACCOUNT /dev/null $LOG/start.log || return
  setsid $COMMAND run >>$LOG/start.log 2>&1 </dev/null &
  STARTED=$!
}

has_ended() {
  if [ -n "$SYSTEMD" ]; then systemctl is-failed -q mixminus.service; return; fi
  if is_alive "$STARTED"; then return 1; fi
}

gets_ready() { # Whether a release that was started does, in WAIT_S; sooner where it ended or gave up.
  end=$(($(date +%s) + WAIT_S))
  until ask_release "$1" ready 3 2>"$TEMP/ready.log"; do
    if grep -q 'not started any more' "$TEMP/ready.log" || has_ended || [ "$(date +%s)" -ge $end ]; then
      cat "$TEMP/ready.log" >&2
      return 1
    fi
  done
}

last_words() {
  if [ -n "$SYSTEMD" ]; then journalctl -u mixminus.service -n 15 --no-pager -o cat; else tail -q -n 15 $LOG/*.log; fi 2>/dev/null |
    sed 's/^/  | /' >&2
}

ask_release() { release=$1; shift; INSTALLED_RELEASE=$HOME_DIR/$release $COMMAND installed "$@"; }

# --- the steps of an installation ------------------------------------------------------------------------

system_packages() {
  [ -n "$PACKAGES" ] || return 0
  step "packages of the system: $PACKAGES"
  # shellcheck disable=SC2086 # a list of words
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $PACKAGES >"$TEMP/apt.log" 2>&1 ||
    { cat "$TEMP/apt.log" >&2; die "apt-get could not install them"; }
}

update_lists() { # So that a bare system's choice is known.
  if [ -n "$APT" ] && [ -z "$OFFLINE$PYTHON" ]; then
    step "lists of the system's packages"
    apt-get update -qq >"$TEMP/apt.log" 2>&1 || { cat "$TEMP/apt.log" >&2; warn "apt-get update failed"; }
    APT_PYTHON=$(candidate python3)
    choose_python
  fi
}

interpreter() { # Sets PY.
  case $PYTHON_FROM in
    given) PY=$PYTHON ;;
    system) PY=$SYSTEM_PYTHON ;;
    apt) PY=$(command -v python3) ;;
    archive) unpack_python ;;
    uv) fetch_python ;;
  esac
  version=$("$PY" -I -c 'import sys; print("%d.%d" % sys.version_info[:2])') || die "$PY does not run on this machine"
  runs_on "$version" || die "$PY is Python $version, and 3.$OLDEST_MINOR to 3.$NEWEST_MINOR are needed"
}

unpack_python() {
  digest=$(sha256sum "$PYTHON" | cut -c 1-8)
  target=$HOME_DIR/python/$(basename "$PYTHON" | sed 's/\.t[a-z.]*$//')-$digest
  if [ ! -x "$target/bin/python3" ]; then
    step "interpreter: unpacking $PYTHON"
    rm -rf "$target" "$target.new"
    mkdir -p "$target.new"
    tar -C "$target.new" -xf "$PYTHON"
    [ -x "$target.new/python/bin/python3" ] || die "$PYTHON has no python/bin/python3: an 'install_only' archive is needed"
    chown -R 0:0 "$target.new"
    mv "$target.new/python" "$target"
    rmdir "$target.new"
  fi
  PY=$target/bin/python3
}

fetch_python() {
  PY=$(first_of $HOME_DIR/python/cpython-$OWN_PYTHON*/bin/python$OWN_PYTHON)
  [ -z "$PY" ] || return 0
  step "interpreter: Python $OWN_PYTHON, fetched by uv"
  python3 -m venv "$TEMP/uv"
  "$TEMP/uv/bin/python" -m pip install -q --disable-pip-version-check --upgrade pip ||
    die "pip of the system's Python could not be renewed"
  printf '%s --hash=%s --hash=%s\n' "$UV" "$UV_X86_64" "$UV_AARCH64" >"$TEMP/uv.txt"
  "$TEMP/uv/bin/python" -m pip download -q --disable-pip-version-check --no-deps --only-binary :all: --require-hashes \
    --platform "manylinux_2_17_$ARCH" --python-version $OWN_PYTHON -d "$TEMP" -r "$TEMP/uv.txt" || die "uv could not be fetched"
  python3 -c 'import sys, zipfile; zipfile.ZipFile(sys.argv[1]).extractall(sys.argv[2])' "$TEMP"/uv-*.whl "$TEMP/uv-files"
  uv=$(find "$TEMP/uv-files" -name uv -type f)
  chmod +x "$uv"
  UV_CACHE_DIR=$TEMP/cache UV_PYTHON_INSTALL_DIR=$HOME_DIR/python "$uv" python install --no-bin $OWN_PYTHON ||
    die "the interpreter could not be fetched: fetch it elsewhere and give it with --python FILE (docs/install.md)"
  PY=$(first_of $HOME_DIR/python/cpython-$OWN_PYTHON*/bin/python$OWN_PYTHON)
  [ -n "$PY" ] || die "uv installed no interpreter in $HOME_DIR/python"
}

# One pip for all releases, which have none of their own.
pip_tool() {
  base=$("$PY" -I -c 'import sys; print(sys.base_prefix, sys.version_info[:3])')
  PIP="$HOME_DIR/pip/bin/python -I -m pip --disable-pip-version-check -q"
  [ "$(cat $HOME_DIR/pip/.base 2>/dev/null)" = "$base" ] && $PIP --version >/dev/null 2>&1 && return
  step "pip"
  rm -rf $HOME_DIR/pip
  wheel=$(newest "$OFFLINE"/pip-*-py3-none-any.whl)
  if [ -n "$OFFLINE" ] && [ -n "$wheel" ]; then
    "$PY" -I -m venv --without-pip $HOME_DIR/pip
    $HOME_DIR/pip/bin/python "$wheel/pip" install -q --no-index "$wheel"
  else
    "$PY" -I -m venv $HOME_DIR/pip || die "$PY cannot make virtual environments: install its package for them (python3-venv), or put a wheel of pip into the directory of --offline"
  fi
  echo "$base" >$HOME_DIR/pip/.base
}

the_wheel() { # Sets WHEEL, DIGEST and RELEASE.
  if [ -z "$WHEEL" ] && [ -n "$CHECKOUT" ]; then
    step "building the release from $CHECKOUT"
    $PIP wheel --no-deps -w "$TEMP/wheel" "$CHECKOUT"
  elif [ -z "$WHEEL" ]; then
    step "fetching the release"
    $PIP download --no-deps --only-binary :all: -d "$TEMP/wheel" mixminus
  fi
  WHEEL=${WHEEL:-$(newest "$TEMP"/wheel/mixminus-*.whl)}
  DIGEST=$(sha256sum "$WHEEL" | cut -c 1-64)
  version=$(basename "$WHEEL" | cut -d - -f 2)
  RELEASE=$version-$(echo "$DIGEST" | cut -c 1-8)
}

is_complete() { [ -f "$HOME_DIR/$1/.complete" ] && "$HOME_DIR/$1/bin/python" -I -c 'import deploy.cli' 2>/dev/null; }

extras() { # The client of NATS is small: whoever wants a cluster has it. Older files for --offline have none.
  [ -z "$OFFLINE" ] || [ -n "$(newest "$OFFLINE"/nats_py-*.whl)" ] || return 0
  echo '[cluster]'
}

build_release() {
  ! is_complete "$RELEASE" || return 0
  step "release $RELEASE: packages into $HOME_DIR/$RELEASE"
  BUILDING=$HOME_DIR/$RELEASE
  rm -rf "$BUILDING"
  "$PY" -I -m venv --without-pip "$BUILDING"
  "$PY" -I -c 'import sys, zipfile; sys.stdout.buffer.write(zipfile.ZipFile(sys.argv[1]).read("deploy/" + sys.argv[2]))' \
    "$WHEEL" $CONSTRAINTS >"$TEMP/constraints.txt"
  # shellcheck disable=SC2086 # words
  $PIP --python "$BUILDING/bin/python" install --only-binary :all: -c "$TEMP/constraints.txt" \
    ${OFFLINE:+--no-index --find-links "$OFFLINE"} "$WHEEL$(extras)" ||
    die "pip could not install the release; nothing has changed${OFFLINE:+. $OFFLINE has to hold the versions of $CONSTRAINTS for $ARCH and glibc $GLIBC}"
  echo "$DIGEST" >"$BUILDING/.complete"
  BUILDING=''
}

account_and_directories() {
  step "account and directories"
  getent passwd $ACCOUNT >/dev/null ||
    useradd --system --user-group --home-dir $STATE --no-create-home --shell /usr/sbin/nologin $ACCOUNT
  install -d -m 0700 -o $ACCOUNT -g $ACCOUNT $STATE $CACHE $RUN
  [ -n "$SYSTEMD" ] || install -d -m 0750 -o $ACCOUNT -g $ACCOUNT $LOG
  install -d -m 0755 $ETC $LIB
}

files_of() { "$HOME_DIR/$1/bin/python" -I -c 'import deploy; print(deploy.__path__[0])'; }

configuration() { # Made once; then it belongs to whoever changes it.
  from=$(files_of "$RELEASE")
  if [ ! -f $ETC/mixminus.toml ]; then
    step "settings: $ETC/mixminus.toml"
    file=$([ -n "$SYSTEMD" ] || echo $LOG/mixminus.log)  # Otherwise systemd's journal keeps it.
    sed -e "s|^dir = \"\"|dir = \"$RUN\"|" -e "s|^log_file = \"\"|log_file = \"$file\"|" -e "s|^state_dir = \"\"|state_dir = \"$STATE\"|" \
      -e "s|^lan = false|lan = $LAN|" "$from/mixminus.toml" >"$TEMP/mixminus.toml"
    install -m 0644 "$TEMP/mixminus.toml" $ETC/mixminus.toml
  fi
  if [ ! -f $ETC/mixminus.env ]; then
    ( umask 077; printf '%s\n' '# Secrets of the service, read by root only. Without a key a simulator answers.' '#OPENAI_API_KEY=sk-…' >$ETC/mixminus.env )
  fi
}

place_files() { # The command and the units of a release.
  from=$(files_of "$1")/service
  install -D -m 0755 "$from/mixminus" $COMMAND
  install -m 0755 "$from/power.sh" $LIB/power.sh
  [ -d /etc/systemd ] || return 0
  install -d $UNITS
  limit=$(stop_limit "$1")
  sed -e "s|^TimeoutStopSec=.*|TimeoutStopSec=$limit|" -e "s|^Environment=SERVICE_STOP_S=.*|Environment=SERVICE_STOP_S=$limit|" \
    "$from/mixminus.service" >"$TEMP/mixminus.service"
  install -m 0644 "$TEMP/mixminus.service" "$from/mixminus-power.service" $UNITS
  [ -z "$SYSTEMD" ] || systemctl daemon-reload
}

make_current() {
  place_files "$1"
  ln -sfn "$1" $HOME_DIR/current.new
  mv -T $HOME_DIR/current.new $HOME_DIR/current
}

check_and_compile() {
  step "settings are checked, kernels compiled on this machine"
  [ -x $COMMAND ] || place_files "$RELEASE"
  ask_release "$RELEASE" check || die "the settings do not fit this release; nothing has changed"
  ask_release "$RELEASE" kernels
}

switch() { # To RELEASE, and back where it does not get ready.
  old=$INSTALLED
  stop_service
  make_current "$RELEASE"
  [ -n "$START" ] || return 0
  step "starting $RELEASE"
  if start_service && gets_ready "$RELEASE"; then INSTALLED=$RELEASE; return; fi
  last_words
  if [ -z "$old" ] || [ "$old" = "$RELEASE" ]; then die "it did not get ready: see above, then run it again"; fi
  warn "$RELEASE did not get ready: going back to $old"
  stop_service
  make_current "$old"
  if ! start_service || ! gets_ready "$old"; then
    die "$old does not get ready any more either: see $LOG or journalctl -u mixminus"
  fi
  forget_release "$RELEASE"
  die "upgrade failed; $old runs again"
}

at_boot() {
  if [ -n "$SYSTEMD" ]; then
    systemctl enable -q mixminus.service mixminus-power.service
    systemctl start mixminus-power.service || warn "mixminus-power.service failed: journalctl -u mixminus-power"
    journalctl -u mixminus-power.service -b -o cat --no-pager 2>/dev/null | grep '^mixminus power: warning' >&2 || :
  else
    warn "systemd does not run here: start it at boot by '$COMMAND run', as root; its log is $LOG/mixminus.log"
    sh $LIB/power.sh
  fi
}

forget_release() {
  folder=$("$HOME_DIR/$1/bin/python" -I -c 'import pathlib, sys
from mixer_core.numba_cache import folder_of
print(folder_of(pathlib.Path(sys.argv[1])))' $CACHE/numba 2>/dev/null) || folder=''
  [ -z "$folder" ] || rm -rf "$folder"
  rm -rf "${HOME_DIR:?}/$1"
}

prune() { # All but the current release and the one before.
  for dir in "$HOME_DIR"/*/; do
    name=$(basename "$dir")
    case $name in "$RELEASE" | "$BEFORE" | current) continue ;; esac
    [ ! -f "$dir/.complete" ] || forget_release "$name"
  done
}

farewell() {
  say "the page: $(ask_release "$RELEASE" page)"
  if [ -n "$START" ] && [ ! -f $HOME_DIR/.invited ]; then
    $COMMAND invite home --role admin || warn "no invitation was made: mixminus invite home --role admin"
    touch $HOME_DIR/.invited
  else
    say "who may come in: mixminus invite home --name Anna"
  fi
  grep -q '^OPENAI_API_KEY=.' $ETC/mixminus.env || say "a simulator answers: put the key into $ETC/mixminus.env, then $(restart_words)"
  say "done in $(($(date +%s) - BEGAN)) s"
}

restart_words() {
  [ -n "$SYSTEMD" ] && echo 'systemctl restart mixminus' || echo "kill $(supervisor_pid) and $COMMAND run"
}

install_release() {
  mkdir -p $HOME_DIR
  update_lists
  system_packages
  interpreter
  pip_tool
  the_wheel
  BEFORE=$INSTALLED
  if [ "$ACTION" = install ] && [ -n "$INSTALLED" ] && [ "$INSTALLED" != "$RELEASE" ]; then
    die "$INSTALLED is installed, and $RELEASE is another release: go there with --upgrade"
  fi
  build_release
  account_and_directories
  configuration
  check_and_compile
  if [ "$INSTALLED" = "$RELEASE" ] && serves; then
    place_files "$RELEASE"
    say "$RELEASE is installed and runs: nothing is restarted"
  else
    switch
  fi
  at_boot
  prune
  farewell
}

# --- the end of an installation --------------------------------------------------------------------------

is_wanted() { # Whether journal and settings go, too.
  [ -z "$PURGE" ] || return 0
  [ -t 0 ] || { say "kept: $STATE (journal, certificate) and $ETC; delete them with --uninstall --purge"; return 1; }
  printf 'mixminus install: delete the journal and the settings as well (%s, %s)? [y/N] ' $STATE $ETC
  read -r answer
  case $answer in [yY]*) return 0 ;; *) say "kept: $STATE and $ETC"; return 1 ;; esac
}

uninstall() {
  if [ -n "$DRY" ]; then
    say "would stop the service, and remove $HOME_DIR $CACHE $RUN $LOG $LIB $COMMAND and the units"
    say "$([ -n "$PURGE" ] && echo 'would delete' || echo 'would ask before it deletes') $STATE and $ETC"
    return
  fi
  stop_service
  if [ -n "$SYSTEMD" ]; then systemctl disable -q mixminus.service mixminus-power.service 2>/dev/null || :; fi
  rm -f $UNITS/mixminus.service $UNITS/mixminus-power.service $COMMAND
  rm -rf $HOME_DIR $CACHE $RUN $LOG $LIB
  [ -z "$SYSTEMD" ] || systemctl daemon-reload
  if is_wanted; then
    rm -rf $STATE $ETC
    ! getent passwd $ACCOUNT >/dev/null || userdel $ACCOUNT
  fi
  say "mixminus is removed; packages of the system stay"
}

# --- main ------------------------------------------------------------------------------------------------

# shellcheck disable=SC2317 # the trap calls it
clean() {
  code=$?
  [ -z "${BUILDING:-}" ] || rm -rf "$BUILDING"
  [ -z "${TEMP:-}" ] || rm -rf "$TEMP"
  [ "$code" = 0 ] || [ -z "${STEP:-}" ] || echo "mixminus install: failed at: $STEP" >&2
}

main() {
  BEGAN=$(date +%s)
  parse "$@"
  if [ -n "$FACTS" ]; then read_facts; else look; fi
  if [ "$ACTION" = uninstall ]; then
    [ "$USER_ID" = 0 ] || [ -n "$DRY" ] || die "run it as root: sudo sh $0 --uninstall"
    uninstall
    return
  fi
  check_machine
  choose_python
  choose_rest
  plan
  if [ -n "$DRY" ]; then say "nothing has been changed"; return; fi
  TEMP=$(mktemp -d)
  trap clean EXIT
  trap 'exit 130' INT TERM
  exec 9>/run/mixminus-install.lock
  flock -n 9 || die "another installation is running"
  install_release 9>&-
}

# As one block: the shell reads no further, should this file be replaced meanwhile.
{
  main "$@"
  exit 0
}

PATH=/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/sbin:/usr/local/bin
LC_ALL=C
export PATH LC_ALL
umask 077
trap '' HUP PIPE
stopped='' touched='' touched_any='' persisted='' number='' lock='' watcher='' has_fsync=''
lines='' held='' holding='' held_since='' announced='' again='' proved='' ifrit_run='' ifrit_text='' ifrit_text_of='' ifrit_text_sum=''
# The shell may be the one that answered questions before: what it knew then need not be so now.
known_access='' known_sums=''

# While something that was done is not on the disk yet, what is said of it waits too.
frame() {
if [ -n "$holding" ]; then held="$held
$nonce $*
"
else printf '\n%s %s\n' "$nonce" "$*" 2>/dev/null
fi
}

tell() {
[ -z "$holding" ] || printf '%s' "$held" 2>/dev/null
holding='' held=''
return 0
}

# The host cannot take a script now: why, in its own words.
fault() {
frame fault
printf '%s' "$1" 2>/dev/null
frame refused
}

# Shows a file's beginning, as long as the stream has room: who no longer reads must not stop us.
show() {
[ -s "$2" ] || return 0
text=$(head -c "$output_max" "$2" 2>/dev/null; printf x)
text=${text%x}
left=$((left - ${#text}))
[ "$left" -ge 0 ] || return 0
frame "$1 $number"
if [ -n "$holding" ]; then held=$held$text; else printf '%s' "$text" 2>/dev/null; fi
}

# Hundredths of a second since boot, where the kernel says; no process is started for it.
ticks() {
now=
[ -r /proc/uptime ] && read -r now rest </proc/uptime && now=${now%.*}${now#*.}
case $now in '' | 0* | *[!0-9]*) now= ;; esac
}

# proc(5): the 20th word after the name is the start time, which tells a process from a later one of its number.
start_of() {
set -- ${1##*) }
state=${1-} start=${20-}
}

# A subshell has no variable for its own number.
self() {
if [ -r /proc/self/stat ] && read -r line </proc/self/stat; then
  self_pid=${line%% *}
  start_of "$line"
else
  self_pid=$(exec sh -c 'echo "$PPID"')
  start=-
fi
}

# Words: number, boot, start time.
is_alive() {
case $1 in '' | *[!0-9]*) return 1 ;; esac
kill -0 "$1" 2>/dev/null || return 1
[ "$2" = "$boot" ] || return 1
if [ -r /proc/self/stat ]; then
  line=
  { read -r line <"/proc/$1/stat"; } 2>/dev/null || return 1
  start_of "$line"
  [ "$state" != Z ] && [ "$start" = "$3" ]
else
  case $(ps -o comm= -p "$1" 2>/dev/null) in *sh) return 0 ;; *) return 1 ;; esac
fi
}

# The folder belongs to the login alone: nobody else may put a link or a journal there.
place() {
go_home
base=FOLDER
[ -O / ] || base=${HOME%/}/.ifrit
! command -v fsync >/dev/null 2>&1 || has_fsync=yes
if [ ! -d "$base" ]; then
  umask 022
  said=$(mkdir -p -m 700 "$base" 2>&1)
  umask 077
fi
if [ -L "$base" ] || [ ! -d "$base" ] || [ ! -O "$base" ]; then
  fault "${said:-$base is no folder of the login alone}"
  return 1
fi
run=$base/run.$run_id journal=$base/run.$run_id/journal lock_path=$base/lock
boot=-
if [ -r /proc/sys/kernel/random/boot_id ]; then
  read -r boot </proc/sys/kernel/random/boot_id
elif [ ! -r /proc/self/stat ]; then
  boot=$(sysctl -n kern.boot_id 2>/dev/null) || boot=-
fi
self
own_start=$start
# Names of files are seen by all who look at processes; the nonce is nobody's but ours.
lock_text="$run_id $$ $boot $own_start $lock_word"
ours=$base/ours.$lock_word.$$
}

# One script at a time: waits for one that runs, takes over from one that is dead. The lock is a link to a file
# that was written before: a link is made or it is not, so nobody ever sees a lock that does not say whose it is.
# An empty one was lost with the power.
take_lock() {
waited=0 missing=0
{ printf '%s\n' "$lock_text" >"$ours"; } 2>/dev/null || {
  said=$({ printf '%s\n' "$lock_text" >"$ours"; } 2>&1)
  rm -f "$ours"
  fault "${said:-nothing can be written below $base}"
  return 1
}
until ln "$ours" "$lock_path" 2>/dev/null; do
  held=
  { read -r held <"$lock_path"; } 2>/dev/null
  set -- $held
  if [ ! -e "$lock_path" ]; then
    # It was given back just now, or this file system has no links.
    missing=$((missing + 1))
    if [ "$missing" -gt 5 ]; then
      said=$(ln "$ours" "$lock_path" 2>&1) && break
      rm -f "$ours"
      fault "$said"
      return 1
    fi
    continue
  fi
  missing=0
  # The boot's id has dashes, the others are digits.
  case "${1-}${2-}${5-}" in
  '') steal empty && continue ;;
  *[!0-9a-f]*) steal unreadable && continue ;;
  *)
    if ! is_alive "${2-}" "${3-}" "${4-}" && ! is_active "$1"; then
      steal "${5:-nobody}.$2" && continue
    fi
    ;;
  esac
  if [ "$waited" -ge "$lock_wait" ]; then
    rm -f "$ours"
    frame "busy ${1:-unknown}"
    return 1
  fi
  waited=$((waited + 1))
  sleep 1
done
lock=$lock_path
}

# An action may outlive its script, when somebody killed only that.
is_active() {
active=
{ read -r active <"$base/run.$1/active"; } 2>/dev/null || return 1
set -- $active
is_alive "${2-}" "${3-}" "${4-}"
}

# Removes a dead script's lock. Of several that want to, the maker of the last living claim may; a claim's
# name is made of the dead lock's word, so that it is never one on a later lock. A claim is a link to our file too:
# its maker is never taken for dead because it was slow to write.
steal() {
claim_number=0
while [ "$claim_number" -lt 100 ]; do
  claim=$base/claim.$1.$claim_number
  if ln "$ours" "$claim" 2>/dev/null; then
    again=
    { read -r again <"$lock_path"; } 2>/dev/null
    # A lock that is not there reads like an empty one.
    if [ "$again" = "$held" ] && [ -e "$lock_path" ]; then rm -f "$lock_path" "$base/ours.$1"; fi
    rm -f "$base/claim.$1".*
    return 0
  fi
  owner=
  { read -r owner <"$claim"; } 2>/dev/null
  set -- "$1" $owner
  if is_alive "${3-}" "${4-}" "${5-}"; then
    return 1
  fi
  claim_number=$((claim_number + 1))
done
return 1
}

# FreeBSD has fsync(1). A sync(1) that knows no files writes everything.
write_out() {
if [ -n "$has_fsync" ]; then fsync "$@"; else sync "$@"; fi
}

# Makes the journal durable in one process, and with it what steps have left to be: first the directories that
# they changed, because the journal tells of them; last FILES that are about to take their places. At first also the
# folders that hold the journal's name. Where not all of it can be synced by its name (a file system may not let
# a directory be), everything is written, and only the FILES must be.
persist() {
files=$#
if [ -n "$persisted" ]; then set -- "$journal" "$@"; else set -- "$journal" "$run" "$base" "$@"; fi
if [ -s "$run/dirs" ]; then
  while IFS= read -r dir; do [ "$dir" = "$1" ] || set -- "$dir" "$@"; done <"$run/dirs"
fi
write_out "$@" 2>/dev/null || {
  shift $(($# - files))
  sync && { [ "$files" = 0 ] || write_out "$@"; }
} || return
[ ! -s "$run/dirs" ] || : >"$run/dirs"
persisted=yes
}

# Begins an action or a probe in a subshell.
enter() {
exec 3<&- 5<&-
self
at_work "$1"
trap - HUP PIPE
umask 022
cd /
}

# What the watcher is to look at, and for how many seconds.
at_work() {
printf '%s %s %s %s %s\n' "$number" "$self_pid" "$boot" "$start" "$1" >"$run/active"
}

# Prints the state of the step.
probe_now() {
enter "$probe_limit"
eval "ifrit_probe() {
:
$probe
}"
ifrit_probe
}

# Stops what takes too long. One process for all steps: it looks once a second, for the first time after two, when
# most runs are over.
watch() {
seen='' count=0 nap=2
while sleep "$nap"; do
  nap=1
  active=
  { read -r active <"$run/active"; } 2>/dev/null
  set -- $active
  if ! kill -0 "$main" 2>/dev/null; then
    is_alive "${2-}" "${3-}" "${4-}" || return 0
  fi
  if [ "$active" != "$seen" ]; then
    seen=$active count=0
  fi
  [ $# -eq 5 ] && is_alive "$2" "$3" "$4" || continue
  count=$((count + 1))
  if [ "$count" -gt "$5" ] && [ "$1" = ack ]; then
    kill -s TERM "$2"
  elif [ "$count" -gt "$5" ]; then
    : >"$run/late.$1"
    stop_tree "$2" TERM
    sleep 2
    kill -s KILL $tree 2>/dev/null
    stop_tree "$2" KILL
  elif { [ -s "$run/out.$1" ] || [ -s "$run/err.$1" ]; } &&
    [ -n "$(find "$run/out.$1" "$run/err.$1" -size "+$capture_blocks" 2>/dev/null)" ]; then
    : >"$run/out.$1"
    : >"$run/err.$1"
  fi
done
}

# A process with all that it started; the main script is nobody's child here.
stop_tree() {
tree=$1
signal=$2
list=$(ps -A -o pid= -o ppid= 2>/dev/null || ps -o pid,ppid 2>/dev/null)
more=yes
while [ -n "$more" ]; do
  more=
  set -- $list
  while [ $# -ge 2 ]; do
    case " $tree " in
    *" $1 "*) ;;
    *" $2 "*) tree="$tree $1" more=yes ;;
    esac
    shift 2
  done
done
kill -s "$signal" $tree 2>/dev/null
}

start_watcher() {
main=$$
watch </dev/null >/dev/null 2>&1 3<&- &
watcher=$!
}

# Waits for the word that all was recorded; then nothing is left here. Without it the journal stays.
leave() {
frame 'done'
trap : TERM
printf '%s %s %s %s %s\n' ack "$$" "$boot" "$own_start" "$ack_limit" >"$run/active"
ack=
read -r ack <&3
if [ "$ack" = "ack $nonce" ]; then rm -rf "$run" "$lock" "$ours"; else rm -f "$lock" "$ours"; fi
kill "$watcher" 2>/dev/null
}

# Tells what a run left here, and waits for it where it still runs.
settle() {
place && take_lock || return 1
if [ ! -d "$run" ]; then
  frame begin
  for other in "$base"/run.*; do
    [ ! -d "$other" ] || frame "left ${other##*/run.}"
  done
  rm -f "$lock" "$ours"
  frame 'done'
  return 0
fi
start_watcher
frame begin
open=' '
# A line without its end was cut by a power loss: read says so, and it does not count.
while read -r word at outcome status duration <&5; do
  case $at in '' | *[!0-9]*) continue ;; esac
  case $word$open in
  start*" $at "*) ;;
  start*) open="$open$at " ;;
  end*)
    number=$at
    frame "start $number"
    verdict "$outcome $status $duration"
    case $open in *" $at "*) open="${open%%" $at "*} ${open#*" $at "}" ;; esac
    ;;
  esac
done 5<"$journal"
for number in $open; do judge; done
leave
}

verdict() {
show out "$run/out.$number"
show err "$run/err.$number"
show found "$run/found.$number"
frame "end $number $1"
}

# A step that was started and did not end (several may be, see `together`; and a full disk may have cost an end):
# only its probe can tell.
judge() {
frame "start $number"
probe='' has_before='' has_after='' before='' after=''
load "$number"
if [ -z "$probe" ]; then
  verdict 'doubt - -'
  return 0
fi
state=$(probe_now 2>/dev/null)
if [ -n "$has_after" ] && [ "$state" = "$after" ]; then
  verdict 'changed - -'
elif [ -n "$has_before" ] && [ "$state" = "$before" ]; then
  verdict 'undone - -'
elif [ -z "$has_after" ]; then
  verdict 'doubt - -'
elif [ -z "$has_before" ]; then
  verdict 'undone - -'
else
  printf '%s' "$state" 2>/dev/null >"$run/found.$number"
  verdict 'stale - -'
fi
}

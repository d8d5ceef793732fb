# Chooses what turns base64 into bytes.
if command -v base64 >/dev/null 2>&1; then
  decode() { base64 -d; }
elif command -v b64decode >/dev/null 2>&1; then
  decode() { b64decode -r; }
elif command -v openssl >/dev/null 2>&1; then
  decode() { openssl base64 -d; }
else
  decode() { awk "$decode_awk" | while read -r octal; do printf "$octal"; done; }
fi
# Octal text, because not every awk can print a NUL; printf of the shell can.
decode_awk='BEGIN { digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/" }
{ text = ""
for (at = 1; at + 3 <= length($0); at += 4) {
bits = 0; count = 3
for (i = 0; i < 4; i++) { digit = substr($0, at + i, 1); if (digit == "=") count--; else bits += (index(digits, digit) - 1) * 64 ^ (3 - i) }
byte[0] = int(bits / 65536); byte[1] = int(bits / 256) % 256; byte[2] = bits % 256
for (i = 0; i < count; i++) text = text sprintf("\\%03o", byte[i])
}
print text }'

# How long an end may wait to be told while others find nothing to do: one second.
hold_ticks=100

begin() {
place && take_lock || return 1
for other in "$base"/run.*; do
  [ -d "$other" ] || continue
  frame "unsettled ${other##*/run.}"
  rm -f "$lock" "$ours"
  return 1
done
{ mkdir "$run" && true >"$journal"; } 2>/dev/null || {
  said=$(mkdir -p "$run" 2>&1 && { true >"$journal"; } 2>&1)
  fault "${said:-$run could not be made}"
  rm -rf "$run" "$lock" "$ours"
  return 1
}
ifrit_run=$run
start_watcher
frame begin
}

# A body into a file, in a place where nobody else may look.
body() {
[ -z "$again" ] || return 0
TMPDIR=$run
decode >"$run/body.$number.$1" 2>/dev/null || bodies_failed=yes
}

# A short text, without a process of its own: put_file takes it from here, and of a very short one it is known
# what its checksum is.
text_body() {
ifrit_text_of=$run/body.$number.$1 ifrit_text=$2 ifrit_text_sum=${3-}
[ -n "$again" ] || { printf '%s' "$2" >"$run/body.$number.$1"; } 2>/dev/null || bodies_failed=yes
}

any_changed() {
for other; do
  case $changed in *" $other "*) return 0 ;; esac
done
return 1
}

# Words: what came of it, exit status or `-`.
#
# What survives a power loss. A step's start is durable before the first effect of its action: `persist` comes
# before the action, or, where the action is known to flush its new file before that takes its place, with that
# flush. A step's end is told only when it is durable, with the directories that it changed: that waits for the
# next flush, which is the next step's start, so that a step costs one. Until then it is not told either, so
# nobody counts on it; lost, it leaves a step that was started and did not end, whose probe tells how far it came.
# Where no probe can tell, only the journal can: such an end is made durable at once.
finish() {
duration=-
began=$now
ticks
[ -z "$began" ] || [ -z "$now" ] || duration=$(((now - began) * 10))
lines="${lines}end $number $1 $2 $duration
"
[ -z "$touched" ] || touched_any=yes
if [ -n "$touched" ] && [ -n "$probe" ]; then
  [ -n "$holding" ] || held_since=$now
  holding=yes
elif [ -z "$holding" ] || [ -z "$probe" ] || is_late; then
  commit
fi
rm_secrets
show out "$run/out.$number"
show err "$run/err.$number"
show found "$run/found.$number"
frame "end $number $1 $2 $duration"
case $1 in
changed) changed="$changed$number " ;;
unchanged | skipped) ;;
*) stopped=yes ;;
esac
}

# Steps that find nothing to do cost no flush of their own, but nobody is kept waiting for them.
is_late() {
[ -z "$now" ] || [ -z "$held_since" ] || [ "$((now - held_since))" -gt "$hold_ticks" ]
}

# Writes what the journal is to say and, where something was done since, makes all of it durable. Then it is told.
commit() {
printf '%s' "$lines" 2>/dev/null >>"$journal"
lines=
[ -z "$holding$touched" ] || persist
tell
}

# The journal has the step's start.
ready() {
lines=
case $action in
"$flushes_first"*) ;;
*) persist && tell ;;
esac
}

# Other bodies go with the run's folder.
rm_secrets() {
[ -z "$has_secret" ] || rm -f "$run/body.$number".*
}

found() {
printf '%s' "$state" 2>/dev/null >"$run/found.$number"
}

announce() {
[ "$announced" = "$number" ] || frame "start $number"
announced=$number
}

# Takes one step; what it is stands in variables.
step() {
[ -z "$stopped" ] || return 0
touched=
announce
ticks
if [ -n "$condition" ] && ! any_changed $condition; then
  finish skipped -
  return 0
fi
if [ -n "$probe" ]; then
  state=$(probe_now 2>/dev/null)
  if [ -n "$has_after" ] && [ "$state" = "$after" ]; then
    finish unchanged -
    return 0
  fi
  if [ -n "$has_before" ] && [ "$state" != "$before" ]; then
    found
    finish stale -
    return 0
  fi
fi
bodies_failed=
write_bodies
if [ -n "$bodies_failed" ]; then
  finish bodies -
  return 0
fi
{ printf '%sstart %s\n' "$lines" "$number" >>"$journal"; } 2>/dev/null && ready || {
  finish journal -
  return 0
}
touched=yes careful=
take_action
if [ -e "$run/late.$number" ]; then
  finish late -
elif [ "$status" != 0 ]; then
  finish failed "$status"
elif [ -n "$probe" ] && [ -n "$has_after" ]; then
  prove
else
  finish changed -
fi
}

# Whether the step has become what it should.
prove() {
[ -n "$proved" ] || state=$(probe_now 2>/dev/null)
[ "$state" = "$after" ] || take_care
if [ "$state" = "$after" ]; then
  finish changed -
else
  found
  finish unmet -
fi
}

# An action that only writes a file is functions of ours, which leave its subshell as it was: the probe after it
# needs no other one.
take_action() {
proved=''
case $has_after$action in
yes"$flushes_first"*) state=$(act_and_probe) ;;
*) act ;;
esac
status=$?
# It has flushed, and the journal with it.
case $status$action in
0"$flushes_first"*) persisted=yes && tell ;;
esac
case $has_after$action in
yes"$flushes_first"*) proved=yes ;;
esac
}

act() {
( enter "$limit"
eval "ifrit_action() {
:
$action
}"
ifrit_action
) >>"$run/out.$number" 2>>"$run/err.$number"
}

act_and_probe() {
enter "$limit"
eval "ifrit_action() {
:
$action
}"
ifrit_action >>"$run/out.$number" 2>>"$run/err.$number" || exit
at_work "$probe_limit"
eval "ifrit_probe() {
:
$probe
}"
ifrit_probe 2>/dev/null
exit 0
}

# A directory may give its new files another mode than the umask says (setfacl's defaults): then the action, which
# only writes a file, is taken again, and sets the mode itself.
take_care() {
case $action in
"$flushes_first"*) ;;
*) return 0 ;;
esac
careful=yes
take_action
}

end() {
lines="${lines}done
"
touched=$touched_any
commit
leave
}

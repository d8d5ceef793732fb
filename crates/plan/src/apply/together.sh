# Steps in a row that only write files, taken together: what such a step by itself costs is a subshell for each
# of its questions, a flush and a look at what it made. Each new file is made beside its place; one flush makes all
# of them durable, and with them that all were started; then one after the other takes its place. The first that
# cannot ends it, so nothing is done after a step that failed, and a power loss leaves what it leaves of single
# steps: some were started and did not end, and the probe of each tells how far it came.
#
# What needs more on the way (a directory to be made, a backup, a validation), what writes a file that another of
# them may have written, and what this did not come to is taken by itself.
together() {
hung=
while [ $# -gt 0 ] && [ -z "$stopped" ]; do
  taken=0
  [ $# -lt 2 ] || [ -n "$hung" ] || take_together "$@"
  shift "$taken"
  [ "$taken" = 0 ] || continue
  "load_$1"
  if [ -e "$run/late.$number" ]; then give_up; else step; fi
  shift
done
}

# It took too long among the others, and would again; those before it are taken first.
give_up() {
announce
touched=yes now=
finish late -
}

take_together() {
"load_$1"
announce
ticks
began=$now
became=$(write_all "$@")
case $became in *' begun '*) lines= ;; esac
case $became in *' flushed '*) persisted=yes && tell ;; esac
ticks
share=
[ -z "$began" ] || [ -z "$now" ] || share=$(((now - began) / $#))
all_now=$now
for each; do
  case $became in
  *" $each="*) word=${became##*" $each="} ;;
  *) break ;;
  esac
  taken=$((taken + 1))
  "load_$each"
  announce
  # `finish` counts from here: each has its share of the time.
  now=
  [ -z "$share" ] || now=$((all_now - share))
  end_together "${word%% *}"
  [ -z "$stopped" ] || break
done
for each; do
  [ ! -e "$run/late.$each" ] || hung=yes
done
}

end_together() {
touched=yes careful='' proved=''
case $1 in
unchanged)
  touched=
  finish unchanged -
  ;;
met) finish changed - ;;
moved) prove ;;
failed*) finish failed "${1#*.}" ;;
esac
}

# In a subshell, in which what is called leaves all as it was. Prints what became of each, as far as it came:
# `unchanged`, `moved`, then `met` of what has become as it should be, or `failed.STATUS`.
write_all() {
enter "$probe_limit"
staging=yes staged='' names='' failed='' moved='' status=0
for each do
  "load_$each"
  stage_one || break
done
if [ -n "$staged" ]; then
  flush_all && place_all
  look_at_all
fi
[ -z "$failed" ] || printf ' %s=failed.%s ' "$failed" "$status"
}

# Fails where nothing may come after it.
stage_one() {
at_work "$probe_limit"
eval "ifrit_probe() {
:
$probe
}"
ifrit_probe >"$run/state" 2>/dev/null
if says "$run/state" "$after"; then
  printf ' %s=unchanged ' "$number"
  return 0
fi
says "$run/state" "$before" || return
at_work "$limit"
fill_bodies || return
{ printf '%sstart %s\n' "$lines" "$number" >>"$journal"; } 2>/dev/null || return
lines=
printf ' begun '
alone='' was_staged=''
eval "ifrit_action() {
:
$action
}"
ifrit_action >>"$run/out.$number" 2>>"$run/err.$number"
status=$?
[ -z "$alone" ] || return
if [ "$status" != 0 ]; then
  failed=$number
  return 1
fi
[ -n "$was_staged" ] && staged="$staged$number "
}

fill_bodies() {
bodies_failed=
umask 077
write_bodies
umask 022
[ -z "$bodies_failed" ]
}

# What `take_place` does here. A name that another of them has may be another way to the same file.
stage() {
[ -z "$2" ] || alone=yes
case $names in *"/${1##*/}
"*) alone=yes ;; esac
if [ -n "$alone" ] || ! set_access "$new" "$mode" "$user" "$group"; then
  rm -f "$new"
  return 1
fi
names="$names/${1##*/}
"
was_staged=yes
eval "new_$number=\$new to_$number=\$1"
}

# Makes all that is staged durable in one process, and the journal with it.
flush_all() {
set --
for each in $staged; do eval "set -- \"\$@\" \"\$new_$each\""; done
number=${staged%% *}
at_work "$limit"
persist "$@" 2>>"$run/err.$number"
flushing=$?
if [ "$flushing" = 0 ]; then
  printf ' flushed '
  return 0
fi
status=$flushing failed=$number
rm -f "$@"
return 1
}

# One after the other; those after one that fails do not take theirs.
place_all() {
left_out=
for each in $staged; do
  "load_$each"
  eval "new=\$new_$each to=\$to_$each"
  if [ -n "$left_out" ]; then
    rm -f "$new"
    continue
  fi
  at_work "$limit"
  mv -f "$new" "$to" >>"$run/out.$number" 2>>"$run/err.$number"
  moving=$?
  if [ "$moving" = 0 ]; then
    placed "${to%/*}"
    moved="$moved$number "
    printf ' %s=moved ' "$number"
  else
    rm -f "$new"
    status=$moving failed=$number left_out=yes
  fi
done
}

# One process looks who may do what with all of them.
look_at_all() {
again=yes
set --
for each in $moved; do eval "set -- \"\$@\" \"\$to_$each\""; done
know_access "$@"
for each in $moved; do
  "load_$each"
  at_work "$probe_limit"
  fill_bodies || return
  eval "ifrit_probe() {
:
$probe
}"
  ifrit_probe >"$run/state" 2>/dev/null
  if says "$run/state" "$after"; then printf ' %s=met ' "$number"; fi
done
}

# Says whether a file has this text, but for newlines at its end. No process is started for it.
says() {
text_=
while IFS= read -r line_; do text_="$text_$line_
"; done <"$1"
text_=$text_$line_
while :; do
  case $text_ in
  *'
') text_=${text_%?} ;;
  *) break ;;
  esac
done
[ "$text_" = "$2" ]
}
